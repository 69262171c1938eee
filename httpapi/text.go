package httpapi

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

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
