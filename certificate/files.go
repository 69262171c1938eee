package certificate

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

// lookEvery is how often files are looked at: at the first connection after such a time.
const lookEvery = time.Second

// Files is a certificate in two PEM files, which may be replaced at any time. It is safe for concurrent use.
type Files struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	looked time.Time
	seen   [2]stamp
	pair   *tls.Certificate
}

// stamp tells whether a file is another than it was.
type stamp struct {
	modified time.Time
	size     int64
}

// OpenFiles reads a certificate, with what it is signed by behind it, and its private key. Invalid if they are none, or do not belong together.
func OpenFiles(cert, key string, log *slog.Logger) (*Files, error) {
	f := &Files{cert: cert, key: key, log: log}
	var err error
	if f.seen, err = f.stamps(); err != nil {
		return nil, err
	}
	f.looked = time.Now()
	f.pair, err = f.load()
	return f, err
}

// Certificate is for [tls.Config.GetCertificate]. When the files have changed they are read again; the certificate stays the old one as long
// as the new ones do not belong together, which they may not for a moment.
func (f *Files) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.looked) < lookEvery {
		return f.pair, nil
	}
	f.looked = time.Now()
	seen, err := f.stamps()
	if err == nil && seen == f.seen {
		return f.pair, nil
	}
	var pair *tls.Certificate
	if err == nil {
		pair, err = f.load()
	}
	if err != nil {
		f.log.Error("cannot use the new certificate; the old one stays", "error", err, "expires", f.pair.Leaf.NotAfter)
		return f.pair, nil
	}
	f.seen, f.pair = seen, pair
	f.log.Info("the certificate is a new one", "expires", pair.Leaf.NotAfter)
	return f.pair, nil
}

func (f *Files) load() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot use %s and %s as certificate and key for TLS: %w", f.cert, f.key, err)
	}
	return &pair, nil
}

func (f *Files) stamps() (seen [2]stamp, err error) {
	for i, name := range []string{f.cert, f.key} {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return seen, slipway.Errorf(slipway.NotFound, "cannot find %s: there must be a certificate and its key for TLS", name)
		}
		if err != nil {
			return seen, slipway.Errorf(slipway.Unprepared, "cannot use TLS: %w", err)
		}
		seen[i] = stamp{info.ModTime(), info.Size()}
	}
	return seen, nil
}
