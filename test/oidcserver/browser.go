package oidcserver

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// Browser is what a user has: it keeps cookies, follows redirections, and fills in the provider's forms.
type Browser struct {
	*http.Client
	User, Password string
}

// NewBrowser returns a browser without any cookies.
func NewBrowser(user, password string) *Browser {
	jar, _ := cookiejar.New(nil) // it never fails
	return &Browser{&http.Client{Jar: jar, Timeout: 30 * time.Second}, user, password}
}

// Visit goes to an address, logs in where that is asked for, and returns the page at which it ends.
func (b *Browser) Visit(address string) (status int, page string, at *url.URL, err error) {
	res, err := b.Get(address)
	if err != nil {
		return 0, "", nil, err
	}
	if page, err = read(res); err != nil {
		return 0, "", nil, err
	}
	if !strings.Contains(page, `name="password"`) {
		return res.StatusCode, page, res.Request.URL, nil
	}
	form := url.Values{"user": {b.User}, "password": {b.Password}}
	for name, values := range res.Request.URL.Query() {
		form[name] = values
	}
	if res, err = b.PostForm(res.Request.URL.String(), form); err != nil {
		return 0, "", nil, err
	}
	page, err = read(res)
	return res.StatusCode, page, res.Request.URL, err
}

// LogIn is Visit to an address at which a login ends well.
func (b *Browser) LogIn(address string) error {
	status, page, at, err := b.Visit(address)
	if err != nil {
		return err
	}
	if status >= http.StatusBadRequest {
		return fmt.Errorf("%s://%s%s answers %d: %.300s", at.Scheme, at.Host, at.Path, status, page)
	}
	return nil
}

func read(res *http.Response) (string, error) {
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return string(text), err
}
