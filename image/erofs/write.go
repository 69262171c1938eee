package erofs

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
)

const (
	superOffset = 1024
	superMagic  = 0xe0f5e1e2

	compatChecksum = 1 // the superblock has a checksum
	compatMtime    = 2 // times are those of the last modification

	incompatChunks = 4 // there are inodes in chunks
)

// WriteTo writes the file system. It reads contents while w takes what was read before, and ends soon after ctx does. Errors of w, and of
// contents, are passed on; an error of w ends the writing.
func (m *Image) WriteTo(ctx context.Context, w io.Writer) error {
	return pump(ctx, w, func(s *stream) error {
		s.write(m.superblock())
		for i, n := range m.inodes {
			s.zeros(n.at - s.pos)
			s.write(n.head(i+1, m.mtime))
			s.write(n.xattrs)
			if n.layout == chunkBased {
				s.write(n.chunks.encodeMap(n.Data, n.size, n.address))
			}
			if err := m.content(s, n, n.size-int64(n.inline), n.size); err != nil {
				return err
			}
		}
		s.zeros(m.metaEnd - s.pos)
		for _, isData := range []bool{false, true} {
			for _, n := range m.inodes {
				if n.isFile() != isData || n.blocks() == 0 {
					continue
				}
				if err := m.content(s, n, 0, n.size-int64(n.inline)); err != nil {
					return err
				}
				s.zeros(roundUp(s.pos, block) - s.pos)
			}
		}
		s.zeros(m.Size() - s.pos)
		return s.err
	})
}

// content writes a part of the content of an inode. A file's is always written whole.
func (m *Image) content(s *stream, n *inode, from, to int64) error {
	if from == to {
		return nil
	}
	switch n.Mode & typeMask {
	case directory:
		s.write(m.encodeDirectory(n)[from:to])
	case symlink:
		s.write([]byte(n.Target)[from:to])
	case regular:
		if err := n.copyTo(s); err != nil {
			return fmt.Errorf("%s: %w", n.parent.path(n.name), err)
		}
	}
	return s.err
}

// copyTo writes the content of a file, without the chunks that are holes.
func (n *inode) copyTo(s *stream) error {
	data := n.Data
	if data == nil {
		data = []Extent{{0, n.size}}
	}
	parts := iter.Seq2[int64, int64](func(yield func(from, to int64) bool) { yield(0, n.size) })
	if n.layout == chunkBased {
		parts = n.chunks.present(n.Data, n.size)
	}
	var r io.ReadCloser
	if len(data) > 0 {
		var err error
		if r, err = n.Open(s.ctx); err != nil {
			return err
		}
		defer r.Close()
	}
	for pos, end := range parts {
		for pos < end {
			// Data that begins before pos was written up to there.
			switch {
			case len(data) == 0 || data[0].Offset >= end:
				s.zeros(end - pos)
				pos = end
			case data[0].Offset > pos:
				s.zeros(data[0].Offset - pos)
				pos = data[0].Offset
			default:
				length := min(end, data[0].end()) - pos
				if err := s.copyN(r, length); err != nil {
					return err
				}
				if pos += length; pos == data[0].end() {
					data = data[1:]
				}
			}
		}
		if n.layout == chunkBased {
			s.zeros(roundUp(end, block) - end)
		}
	}
	if r == nil {
		return s.err
	}
	return s.end(r)
}

// superblock encodes block 0: struct erofs_super_block, and nothing else.
func (m *Image) superblock() []byte {
	le := binary.LittleEndian
	b := make([]byte, block)
	super := b[superOffset:]
	le.PutUint32(super[0:], superMagic)
	le.PutUint32(super[8:], compatChecksum|compatMtime)
	super[12] = blockBits
	le.PutUint16(super[14:], uint16(m.inodes[0].nid()))
	le.PutUint64(super[16:], uint64(len(m.inodes)))
	le.PutUint64(super[24:], uint64(m.mtime))
	le.PutUint32(super[36:], uint32(m.blocks))
	copy(super[48:64], m.uuid())
	if m.chunks {
		le.PutUint32(super[80:], incompatChunks)
	}
	// The kernel's CRC is not inverted at its end.
	le.PutUint32(super[4:], ^crc32.Checksum(super, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// uuid returns what tells this file system from others: a UUID of version 8, from a digest of all but the contents of files, which are not
// known yet.
func (m *Image) uuid() []byte {
	h := sha256.New()
	for i, n := range m.inodes {
		h.Write(n.head(i+1, m.mtime))
		h.Write(n.xattrs)
		io.WriteString(h, n.Target)
		for _, name := range n.names {
			io.WriteString(h, name+"\x00")
		}
	}
	id := h.Sum(nil)[:16]
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}
