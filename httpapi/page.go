package httpapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
)

// PageInput says which part of a list is wanted. It is exported so that huma sees its fields where it is embedded.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"At most so many."`
	Cursor string `query:"cursor" maxLength:"512" doc:"Where to go on: \"next\" of the page before, with the same filters. Opaque."`

	url url.URL
}

// Resolve implements [huma.Resolver]: it keeps what was asked for, which the next page's address is made from.
func (in *PageInput) Resolve(ctx huma.Context) []error {
	in.url = ctx.URL()
	return nil
}

// place is what a cursor says: which list it belongs to, and where to go on there. Whatever else a cursor could be made to say is a place in
// the same list.
type place struct {
	List string `json:"l"`
	Time int64  `json:"t,omitempty"`
	ID   string `json:"i"`
}

// list names what is listed: the path and all filters, as few bytes.
func (in *PageInput) list() string {
	q := in.url.Query()
	q.Del("limit")
	q.Del("cursor")
	for _, values := range q {
		sort.Strings(values)
	}
	sum := sha256.Sum256([]byte(in.url.Path + "?" + q.Encode()))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// after returns the mark that the cursor stands for, the zero Mark without one.
func (in *PageInput) after() (slipway.Mark, error) {
	if in.Cursor == "" {
		return slipway.Mark{}, nil
	}
	var p place
	text, err := base64.RawURLEncoding.DecodeString(in.Cursor)
	if err != nil || json.Unmarshal(text, &p) != nil || p.ID == "" {
		return slipway.Mark{}, malformed("cursor", "cannot go on at the cursor: it is none of this API's; leave it out to begin anew")
	}
	if p.List != in.list() {
		return slipway.Mark{}, malformed("cursor", "cannot go on at the cursor: it belongs to another list, or to other filters; leave it out to begin anew")
	}
	return slipway.Mark{Time: time.Unix(0, p.Time).UTC(), ID: p.ID}, nil
}

// next returns the cursor of the page that begins after a mark, and a Link header for it.
func (in *PageInput) next(after slipway.Mark) (cursor, link string, _ error) {
	p := place{List: in.list(), ID: after.ID}
	if !after.Time.IsZero() {
		p.Time = after.Time.UnixNano()
	}
	text, err := json.Marshal(p)
	if err != nil {
		return "", "", err
	}
	cursor = base64.RawURLEncoding.EncodeToString(text)
	q := in.url.Query()
	q.Set("cursor", cursor)
	return cursor, "<" + in.url.Path + "?" + q.Encode() + `>; rel="next"`, nil
}

// seqMark is the mark of what is in the order of its number.
func seqMark(seq int64) slipway.Mark { return slipway.Mark{ID: strconv.FormatInt(seq, 10)} }

// seqOf returns the number that a mark is at, 0 if it is before the first.
func seqOf(m slipway.Mark) (int64, error) {
	if m.IsZero() {
		return 0, nil
	}
	seq, err := strconv.ParseInt(m.ID, 10, 64)
	if err != nil || seq < 1 {
		return 0, malformed("cursor", "cannot go on at the cursor: it is none of this API's; leave it out to begin anew")
	}
	return seq, nil
}

// page is what a list is read with: which part of it is wanted, and what of it is shown.
type page struct {
	*PageInput
	shows func(any) bool // nil: all
}

// page returns the page of a list that the caller wants, of what the caller may see of it.
func (a *api) page(ctx context.Context, in *PageInput) page {
	p := page{PageInput: in}
	if asked, _ := ctx.Value(requestKey{}).(pending); asked.route != nil && asked.route.access.level == lists {
		p.shows = a.seen(ctx, asked.route.access.role)
	}
	return p
}

// paged answers with a page of what read returns: up to so many records after a mark, fewer only at the end. mark is a record's own. What is
// not shown is made up for by what comes after it, so that a page is short only if it is the last.
func paged[T any](p page, read func(after slipway.Mark, limit int) ([]T, error), mark func(T) slipway.Mark) (*listOutput[T], error) {
	after, err := p.after()
	if err != nil {
		return nil, err
	}
	out := &listOutput[T]{Body: list[T]{Items: []T{}}}
	wanted := p.Limit + 1 // one more, to know whether there is a next page
	for batch := wanted; len(out.Body.Items) < wanted; batch = min(2*batch, maxBatch) {
		some, err := read(after, batch)
		if err != nil {
			return nil, err
		}
		for _, item := range some {
			if p.shows == nil || p.shows(item) {
				out.Body.Items = append(out.Body.Items, item)
			}
		}
		if len(some) < batch {
			break
		}
		after = mark(some[len(some)-1])
	}
	if len(out.Body.Items) < wanted {
		return out, nil
	}
	out.Body.Items = out.Body.Items[:p.Limit]
	out.Body.Next, out.Link, err = p.next(mark(out.Body.Items[p.Limit-1]))
	return out, err
}

// maxBatch is how many records are read at once, of which few are shown.
const maxBatch = 2000

// sorted answers with a page of items, which are all there are, sorted by their keys: a database need not have the order of bytes.
func sorted[T any](p page, items []T, err error, key func(T) string) (*listOutput[T], error) {
	inOrder := slices.SortedFunc(slices.Values(items), func(x, y T) int { return cmp.Compare(key(x), key(y)) })
	return cut(p, inOrder, err, key)
}

// cut answers with a page of items, which are all there are, in the order of their keys. No two have the same.
func cut[T any](p page, items []T, err error, key func(T) string) (*listOutput[T], error) {
	return part(p, items, err, func(item T) slipway.Mark { return slipway.Mark{ID: key(item)} }, func(item T, after slipway.Mark) bool {
		return key(item) > after.ID
	})
}

// newestFirst answers with a page of items, which are all there are, newest first.
func newestFirst[T any](p page, items []T, err error, mark func(T) slipway.Mark) (*listOutput[T], error) {
	return part(p, items, err, mark, func(item T, after slipway.Mark) bool {
		m := mark(item)
		return m.Time.Before(after.Time) || m.Time.Equal(after.Time) && m.ID < after.ID
	})
}

// part answers with a page of items, which are all there are, in an order in which those come last that are beyond a mark.
func part[T any](p page, items []T, err error, mark func(T) slipway.Mark, beyond func(T, slipway.Mark) bool) (*listOutput[T], error) {
	if err != nil {
		return nil, err
	}
	return paged(p, func(after slipway.Mark, limit int) ([]T, error) {
		from := 0
		if !after.IsZero() {
			from = sort.Search(len(items), func(i int) bool { return beyond(items[i], after) })
		}
		return items[from:min(len(items), from+limit)], nil
	}, mark)
}
