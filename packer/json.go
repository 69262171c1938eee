package packer

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/slipway-sh/slipway"
)

// maxDepth bounds how deep values of a JSON file may lie in each other.
const maxDepth = 100

// jsonReader reads JSON into settings, which know where they stand.
type jsonReader struct {
	name string
	data []byte
	dec  *json.Decoder
	line lines
}

// parseJSON returns the value that data, the content of the file called name, is. Its error is Invalid with the place.
func parseJSON(name string, data []byte) (setting, error) {
	r := jsonReader{name: name, data: data, dec: json.NewDecoder(bytes.NewReader(data)), line: newLines(data)}
	r.dec.UseNumber()
	if !utf8.Valid(data) {
		return setting{}, slipway.Errorf(slipway.Invalid, "cannot read it: it is no UTF-8").At(name)
	}
	v, err := r.value(0)
	if err != nil {
		return setting{}, err
	}
	at := r.next()
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return setting{}, r.fail(at, "cannot use what follows the end of the JSON object")
	}
	return v, nil
}

func (r *jsonReader) value(depth int) (setting, error) {
	at := r.next()
	if depth > maxDepth {
		return setting{}, r.fail(at, "cannot use it: its values lie in each other more than %d deep", maxDepth)
	}
	token, err := r.dec.Token()
	if err != nil {
		return setting{}, r.syntax(err)
	}
	s := setting{at: at}
	switch token {
	case json.Delim('{'):
		s.value, err = r.object(at, depth)
	case json.Delim('['):
		s.value, err = r.list(depth)
	default:
		s.value = token // nil, a bool, a string or a json.Number
	}
	return s, err
}

func (r *jsonReader) object(at place, depth int) (*object, error) {
	o := &object{at: at}
	seen := map[string]bool{}
	for r.dec.More() {
		f := field{at: r.next()}
		token, err := r.dec.Token()
		if err != nil {
			return nil, r.syntax(err)
		}
		f.name = token.(string) // the decoder takes nothing else for a key
		if seen[f.name] {
			return nil, r.fail(f.at, "cannot have the key %q twice", f.name)
		}
		seen[f.name] = true
		if f.setting, err = r.value(depth + 1); err != nil {
			return nil, err
		}
		o.fields = append(o.fields, f)
	}
	return o, r.end()
}

func (r *jsonReader) list(depth int) ([]setting, error) {
	list := []setting{}
	for r.dec.More() {
		item, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, r.end()
}

// end takes the bracket that closes an object or a list.
func (r *jsonReader) end() error {
	if _, err := r.dec.Token(); err != nil {
		return r.syntax(err)
	}
	return nil
}

// next returns where the next token begins.
func (r *jsonReader) next() place {
	i := int(r.dec.InputOffset())
	for i < len(r.data) && bytes.IndexByte([]byte(" \t\r\n,:"), r.data[i]) >= 0 {
		i++
	}
	return r.line.at(r.name, i)
}

func (r *jsonReader) fail(at place, format string, args ...any) error {
	return slipway.Errorf(slipway.Invalid, format, args...).At(at.String())
}

// syntax says where the decoder found something that is no JSON.
func (r *jsonReader) syntax(err error) error {
	var wrong *json.SyntaxError
	if errors.As(err, &wrong) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return r.fail(r.next(), "cannot read it as JSON: %s", wrong.Error())
	}
	return r.fail(r.line.at(r.name, len(r.data)), "cannot read it as JSON: it ends in the middle")
}

// lines finds the line of an offset.
type lines struct {
	data   []byte
	starts []int // of each line
}

func newLines(data []byte) lines {
	l := lines{data: data, starts: []int{0}}
	for i, c := range data {
		if c == '\n' {
			l.starts = append(l.starts, i+1)
		}
	}
	return l
}

// at returns the place of an offset. Columns count characters.
func (l lines) at(file string, offset int) place {
	offset = min(max(offset, 0), len(l.data))
	low, high := 0, len(l.starts)
	for high-low > 1 {
		if mid := (low + high) / 2; l.starts[mid] <= offset {
			low = mid
		} else {
			high = mid
		}
	}
	return place{file, low + 1, utf8.RuneCount(l.data[l.starts[low]:offset]) + 1}
}
