package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
)

// legible refuses addresses that no database, file system or log could keep as they are: with a NUL, or with bytes that are no UTF-8.
func legible(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place := ""
		switch query, err := url.QueryUnescape(r.URL.RawQuery); {
		case !clean(r.URL.Path):
			place = "path"
		case err != nil || !clean(query):
			place = "query"
		}
		if place != "" {
			newProblem(http.StatusBadRequest, slipway.Invalid, "cannot read the "+place+" of this request: want UTF-8 without NUL, percent-encoded").at(place).write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func clean(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// bodies is the format of what is sent and answered: JSON, whose texts must be such that a database can keep them.
func bodies() map[string]huma.Format {
	format := huma.DefaultJSONFormat
	format.Unmarshal = func(data []byte, v any) error {
		if _, found := illegible(data); found {
			return errors.New("cannot read this text: it has a NUL")
		}
		return json.Unmarshal(data, v)
	}
	return map[string]huma.Format{"application/json": format, "json": format}
}

// illegible returns the place of the first text with a NUL in a JSON body, and whether there is one.
func illegible(body []byte) (place string, found bool) {
	if !bytes.Contains(body, []byte(`\u0000`)) {
		return "", false
	}
	var tree any
	if json.Unmarshal(body, &tree) != nil {
		return "", false // whoever reads it says what is wrong
	}
	return findNUL(tree, "")
}

func findNUL(tree any, at string) (place string, found bool) {
	switch v := tree.(type) {
	case string:
		return at, strings.Contains(v, "\x00")
	case []any:
		for i, item := range v {
			if place, found := findNUL(item, fmt.Sprintf("%s[%d]", at, i)); found {
				return place, true
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if strings.Contains(name, "\x00") {
				return at, true
			}
			if place, found := findNUL(v[name], strings.TrimPrefix(at+"."+name, ".")); found {
				return place, true
			}
		}
	}
	return "", false
}
