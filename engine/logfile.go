package engine

import (
	"os"
	"sync"
)

// maxLogSize bounds a log file; there is one older file beside it.
const maxLogSize = 8 << 20

// logFile is a log that never takes more than twice maxLogSize: when it is full it replaces "<path>.1" and starts again.
type logFile struct {
	path string

	mu   sync.Mutex
	file *os.File
	size int64
}

func openLogFile(path string) (*logFile, error) {
	l := &logFile{path: path}
	return l, l.open()
}

// Write implements io.Writer. A log that cannot be rotated goes on growing rather than losing lines.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return len(p), nil // closed; late lines of a server that ends
	}
	if l.size+int64(len(p)) > maxLogSize && os.Rename(l.path, l.path+".1") == nil {
		full := l.file
		if l.open() == nil {
			_ = full.Close()
		}
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}

// Close closes the file. What is written after that is dropped.
func (l *logFile) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}

// open opens the file at the path for appending.
func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return err
	}
	l.file, l.size = f, info.Size()
	return nil
}
