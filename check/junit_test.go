package check_test

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

func TestJUnit(t *testing.T) {
	image := slipway.Image{
		Digest: slipway.DigestOf([]byte("image")), Application: "hello", Version: "v1", Created: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
		Tests: &slipway.TestReport{Took: 1500 * time.Millisecond, Log: "panic: <no>\x1b[31m\x00 & gone\n", Results: []slipway.TestResult{
			{Name: "http /?a=1&b=\"2\"", Passed: true, Took: 2 * time.Millisecond},
			{Name: "script t: run.sh", Detail: "exit status 4\nits last lines:\n  ]]> \x07\xff", Took: time.Second},
		}},
	}
	var out bytes.Buffer
	if err := check.JUnit(&out, image); err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" failures="1" time="1.500">
  <testsuite name="hello" tests="2" failures="1" errors="0" skipped="0" time="1.500" timestamp="2026-03-04T05:06:07">
    <properties>
      <property name="image" value="` + string(image.Digest) + `"></property>
      <property name="version" value="v1"></property>
    </properties>
    <testcase classname="hello.http" name="http /?a=1&amp;b=&#34;2&#34;" time="0.002"></testcase>
    <testcase classname="hello.script" name="script t: run.sh" time="1.000">
      <failure message="exit status 4" type="script">exit status 4&#xA;its last lines:&#xA;  ]]&gt; ` + "\uFFFD" + `</failure>
    </testcase>
    <system-out>panic: &lt;no&gt;[31m &amp; gone&#xA;</system-out>
  </testsuite>
</testsuites>
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	// What was written can be read again, whatever a program printed.
	d := xml.NewDecoder(&out)
	for {
		if _, err := d.Token(); err != nil {
			if err.Error() != "EOF" {
				t.Error(err)
			}
			break
		}
	}
}

func TestJUnitWithoutTests(t *testing.T) {
	var out bytes.Buffer
	if err := check.JUnit(&out, slipway.Image{Application: "base"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `<testsuite name="base" tests="0" failures="0"`) {
		t.Error(out.String())
	}
}
