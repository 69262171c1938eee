package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"sort"
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

// paged answers with a page of what read returns: up to so many records after a mark. mark is a record's own.
func paged[T any](in *PageInput, read func(after slipway.Mark, limit int) ([]T, error), mark func(T) slipway.Mark) (*listOutput[T], error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	items, err := read(after, in.Limit+1) // one more, to know whether there is a next page
	if err != nil {
		return nil, err
	}
	if len(items) <= in.Limit {
		return listed(items, nil)
	}
	out, err := listed(items[:in.Limit], nil)
	if err == nil {
		out.Body.Next, out.Link, err = in.next(mark(items[in.Limit-1]))
	}
	return out, err
}

// cut answers with a page of items, which are all there are, in the order of their keys. No two have the same.
func cut[T any](in *PageInput, items []T, err error, key func(T) string) (*listOutput[T], error) {
	if err != nil {
		return nil, err
	}
	return paged(in, func(after slipway.Mark, limit int) ([]T, error) {
		from := 0
		if !after.IsZero() {
			from = sort.Search(len(items), func(i int) bool { return key(items[i]) > after.ID })
		}
		return items[from:min(len(items), from+limit)], nil
	}, func(item T) slipway.Mark { return slipway.Mark{ID: key(item)} })
}

// newestFirst answers with a page of items, which are all there are, newest first.
func newestFirst[T any](in *PageInput, items []T, err error, mark func(T) slipway.Mark) (*listOutput[T], error) {
	if err != nil {
		return nil, err
	}
	return paged(in, func(after slipway.Mark, limit int) ([]T, error) {
		from := 0
		if !after.IsZero() {
			from = sort.Search(len(items), func(i int) bool {
				m := mark(items[i])
				return m.Time.Before(after.Time) || m.Time.Equal(after.Time) && m.ID < after.ID
			})
		}
		return items[from:min(len(items), from+limit)], nil
	}, mark)
}
