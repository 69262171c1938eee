package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

// pageSize is how much of a list is asked for at once.
const pageSize = 500

// items is the form of every list the API answers: one page of it.
type items[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

// pages yields what a list has, page after page as it is wanted, and an error last if one comes.
func pages[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		q := url.Values{}
		for name, values := range query {
			q[name] = values
		}
		for {
			address := path
			if len(q) > 0 {
				address += "?" + q.Encode()
			}
			page, err := call[items[T]](ctx, c, http.MethodGet, address, nil)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			q.Set("cursor", page.Next)
		}
	}
}

// all returns a list that may be long, in large pages.
func all[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	if query == nil {
		query = url.Values{}
	}
	query.Set("limit", strconv.Itoa(pageSize))
	records := []T{}
	for item, err := range pages[T](ctx, c, path, query) {
		if err != nil {
			return []T{}, err
		}
		records = append(records, item)
	}
	return records, nil
}

// list returns up to limit of a list, all of it for a limit below 1. It is never nil, so that it becomes [] in JSON.
func list[T any](ctx context.Context, c *Client, path string, query url.Values, limit int) ([]T, error) {
	if limit < 1 {
		return all[T](ctx, c, path, query)
	}
	if query == nil {
		query = url.Values{}
	}
	query.Set("limit", strconv.Itoa(min(limit, pageSize)))
	some := []T{}
	for item, err := range pages[T](ctx, c, path, query) {
		if err != nil {
			return []T{}, err
		}
		if some = append(some, item); len(some) == limit {
			break
		}
	}
	return some, nil
}
