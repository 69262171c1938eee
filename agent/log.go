package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// log is a file that is put aside, in the place of the one before, when it has reached its size. The agent alone writes it.
type log struct {
	dir  string
	max  int64
	file *os.File
	size int64
}

func openLog(dir string, max int64) (*log, error) {
	l := &log{dir: dir, max: max}
	return l, l.open()
}

// Write implements io.Writer. What cannot be written is lost: the service must go on when a disk is full.
func (l *log) Write(b []byte) (int, error) {
	if l.size > 0 && l.size+int64(len(b)) > l.max {
		l.rotate()
	}
	if l.file != nil {
		n, _ := l.file.Write(b)
		l.size += int64(n)
	}
	return len(b), nil
}

func (l *log) open() error {
	f, err := os.OpenFile(filepath.Join(l.dir, LogName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, info.Size()
	return nil
}

func (l *log) rotate() {
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
	err := os.Rename(filepath.Join(l.dir, LogName), filepath.Join(l.dir, OldLogName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return
	}
	_ = l.open()
}
