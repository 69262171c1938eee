package check

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// suites is a JUnit report in the form that Jenkins and GitLab read.
type suites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Time     string   `xml:"time,attr"`
	Suites   []suite  `xml:"testsuite"`
}

type suite struct {
	Name       string     `xml:"name,attr"`
	Tests      int        `xml:"tests,attr"`
	Failures   int        `xml:"failures,attr"`
	Errors     int        `xml:"errors,attr"`
	Skipped    int        `xml:"skipped,attr"`
	Time       string     `xml:"time,attr"`
	Timestamp  string     `xml:"timestamp,attr,omitempty"`
	Properties []property `xml:"properties>property"`
	Cases      []testCase `xml:"testcase"`
	Out        *output    `xml:"system-out"`
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testCase struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	Time    string   `xml:"time,attr"`
	Failure *failure `xml:"failure"`
}

type failure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

type output struct {
	Text string `xml:",chardata"`
}

// JUnit writes what the tests of an image found as JUnit XML: one suite, named after the application, whose system-out is the last of
// the service's log if a test failed. An image without tests is a suite of none.
func JUnit(w io.Writer, image slipway.Image) error {
	s := suite{Name: image.Application, Properties: []property{{"image", string(image.Digest)}}, Time: inSeconds(0)}
	if image.Version != "" {
		s.Properties = append(s.Properties, property{"version", image.Version})
	}
	if !image.Created.IsZero() {
		s.Timestamp = image.Created.UTC().Format("2006-01-02T15:04:05")
	}
	if report := image.Tests; report != nil {
		s.Time = inSeconds(report.Took)
		for _, r := range report.Results {
			s.add(r)
		}
		if report.Log != "" {
			s.Out = &output{clean(report.Log)}
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(suites{Tests: s.Tests, Failures: s.Failures, Time: s.Time, Suites: []suite{s}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *suite) add(r slipway.TestResult) {
	kind, _, _ := strings.Cut(r.Name, " ")
	c := testCase{Class: s.Name + "." + kind, Name: clean(r.Name), Time: inSeconds(r.Took)}
	if !r.Passed {
		first, _, _ := strings.Cut(r.Detail, "\n")
		c.Failure = &failure{Message: clean(first), Type: kind, Text: clean(r.Detail)}
		s.Failures++
	}
	s.Tests++
	s.Cases = append(s.Cases, c)
}

func inSeconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// clean leaves out what no XML document may have, such as the escape sequences of terminals.
func clean(text string) string { return printable([]byte(text)) }
