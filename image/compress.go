package image

import (
	"bufio"
	"bytes"
	"io"

	"github.com/klauspost/compress/gzip" // a quarter faster than the standard library's
	"github.com/klauspost/compress/zstd"
)

// How compressed files begin.
var (
	gzipMagic = []byte("\x1f\x8b")
	zstdMagic = []byte("\x28\xb5\x2f\xfd")
)

// maxWindow is how far back in the output a zstd archive may point, and so how much memory it takes to unpack one: the most that the zstd
// tool allows by itself.
const maxWindow = 128 << 20

// decompress returns what r yields, without its compression if it has one. end must be called when no more will be read.
func decompress(r io.Reader) (plain io.Reader, end func(), err error) {
	packed := bufio.NewReaderSize(r, copyBuffer)
	head, err := packed.Peek(len(zstdMagic))
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		z, err := gzip.NewReader(packed)
		return z, func() {}, err
	case bytes.HasPrefix(head, zstdMagic):
		z, err := zstd.NewReader(packed, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return packed, func() {}, nil
}
