package erofs

import (
	"encoding/binary"
	"iter"
)

// maxChunkBits is the size of the largest chunks that are tried: 1 GiB.
const maxChunkBits = 30

// chunks is a file with holes, cut into chunks of one size: a chunk is either in the image, or is a hole.
type chunks struct {
	bits   int // log2 of a chunk's size; 0: there are none
	count  int64
	blocks int64 // of all chunks that are in the image
}

// chunksOf cuts a file. The size of the chunks is that with which the file takes the least space: small ones fit the data better, large ones
// need fewer addresses. There are none if it would take no less space without.
func chunksOf(data []Extent, size int64) (best chunks) {
	least := roundUp(size, block)
	for bits := blockBits; bits <= maxChunkBits; bits++ {
		c := chunks{bits: bits, count: roundUp(size, 1<<bits) >> bits}
		for from, to := range c.present(data, size) {
			c.blocks += roundUp(to-from, block) / block
		}
		if need := c.blocks*block + int64(c.mapSize()); need < least {
			least, best = need, c
		}
	}
	return best
}

// present yields where each chunk with data begins and ends.
func (c chunks) present(data []Extent, size int64) iter.Seq2[int64, int64] {
	return func(yield func(from, to int64) bool) {
		next := int64(0) // number of the first chunk not yet looked at
		for _, e := range data {
			for i := max(next, e.Offset>>c.bits); i<<c.bits < e.end(); i++ {
				if !yield(i<<c.bits, min((i+1)<<c.bits, size)) {
					return
				}
				next = i + 1
			}
		}
	}
}

// format is what the inode says of its chunks: struct erofs_inode_chunk_info.
func (c chunks) format() uint32 { return uint32(c.bits - blockBits) }

func (c chunks) mapSize() int {
	if c.bits == 0 {
		return 0
	}
	return int(c.count) * 4
}

// encodeMap encodes the addresses of the chunks. Those in the image follow each other from address on.
func (c chunks) encodeMap(data []Extent, size int64, address uint32) []byte {
	b := make([]byte, c.mapSize())
	for i := range b {
		b[i] = 0xff // the address of a hole is all ones
	}
	for from, to := range c.present(data, size) {
		binary.LittleEndian.PutUint32(b[from>>c.bits*4:], address)
		address += uint32(roundUp(to-from, block) / block)
	}
	return b
}
