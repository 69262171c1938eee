package bake

import (
	"bytes"
	"encoding/binary"
)

// needles are texts to be found in other texts, thousands at once, in one pass.
type needles struct {
	longest int
	first   [1 << 10]uint64 // a bit for the hash of every needle's first bytes
	by      map[[shortestNeedle]byte][]needle
}

const (
	shortestNeedle = 4 // bytes
	// A piece of an encoding is found wherever it is broken, if at least pieceLength+pieceStep-1 characters of it are together.
	pieceLength, pieceStep = 16, 8
)

// needle is a part of a text. Where it is found, as much of the text as is there around it is found.
type needle struct {
	name     string // of the secret
	text     []byte
	from, to int
}

// found says where something was found.
type found struct {
	name     string
	at       int    // where the needle is
	from, to int    // where as much of its text is as there is
	rest     []byte // of the text, that is not there
}

func (n *needles) add(name string, text []byte) {
	if len(text) >= shortestNeedle {
		n.insert(needle{name, text, 0, len(text)})
	}
}

// addPieces adds a text so that it is found when it is broken.
func (n *needles) addPieces(name string, text []byte) {
	for at := 0; at+pieceLength <= len(text); at += pieceStep {
		n.insert(needle{name, text, at, at + pieceLength})
	}
}

func (n *needles) insert(x needle) {
	if n.by == nil {
		n.by = map[[shortestNeedle]byte][]needle{}
	}
	n.longest = max(n.longest, len(x.text))
	head := [shortestNeedle]byte(x.text[x.from:])
	h := hash(binary.LittleEndian.Uint32(head[:]))
	n.first[h>>6] |= 1 << (h & 63)
	n.by[head] = append(n.by[head], x)
}

// find returns the first needle at or behind from, the longest of those there.
func (n *needles) find(text []byte, from int) (found, bool) {
	if n.by == nil || from+shortestNeedle > len(text) {
		return found{}, false
	}
	head := binary.LittleEndian.Uint32(text[from:])
	for at := from; ; at++ {
		if h := hash(head); n.first[h>>6]&(1<<(h&63)) != 0 {
			if f := n.at(text, at); f.to > 0 {
				return f, true
			}
		}
		next := at + shortestNeedle
		if next >= len(text) {
			return found{}, false
		}
		head = head>>8 | uint32(text[next])<<24
	}
}

// at returns the needle that is at a place, the longest if there are several, with as much of its text around it as is there. Its end is 0
// if there is none.
func (n *needles) at(text []byte, at int) (best found) {
	for _, x := range n.by[[shortestNeedle]byte(text[at:])] {
		if !bytes.HasPrefix(text[at:], x.text[x.from:x.to]) {
			continue
		}
		f := found{name: x.name, at: at, from: at, to: at + x.to - x.from}
		for begin := x.from; begin > 0 && f.from > 0 && x.text[begin-1] == text[f.from-1]; begin-- {
			f.from--
		}
		end := x.to
		for ; end < len(x.text) && f.to < len(text) && x.text[end] == text[f.to]; end++ {
			f.to++
		}
		if f.rest = x.text[end:]; f.to > best.to {
			best = f
		}
	}
	return best
}

// each calls f for every needle in text. Of what lies in a long one, what is not near its end is left out.
func (n *needles) each(text []byte, f func(found)) {
	for at := 0; ; {
		found, ok := n.find(text, at)
		if !ok {
			return
		}
		f(found)
		at = max(found.at+1, found.to-overlap)
	}
}

// hash returns 16 bits for the first four bytes of a text.
func hash(head uint32) uint32 { return head * 0x9E3779B1 >> 16 }
