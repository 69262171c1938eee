package promql

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/slipway-sh/slipway"
)

// maxQuery is how long a query may be, bytes.
const maxQuery = 16 << 10

// language is PromQL with all that a server may have switched on: whether it has is for the server to say.
var language = parser.NewParser(parser.Options{
	EnableExperimentalFunctions: true, ExperimentalDurationExpr: true, EnableExtendedRangeSelectors: true, EnableBinopFillModifiers: true,
})

// Parse returns nil if the query is PromQL whose answer is numbers, one for each series or a single one, and else an Invalid error that
// says what is wrong and at which column.
func Parse(query string) error {
	return parse(query, func(offset int) int { return offset }, query)
}

// parse parses text, which was made of a written query in which origin gives the place of each place in text.
func parse(text string, origin func(offset int) int, written string) error {
	if len(text) > maxQuery {
		return slipway.Errorf(slipway.Invalid, "cannot take a query of %d bytes: want at most %d", len(text), maxQuery)
	}
	expr, err := language.ParseExpr(text)
	if err != nil {
		var problems parser.ParseErrors
		if !errors.As(err, &problems) || len(problems) == 0 {
			return slipway.Errorf(slipway.Invalid, "cannot parse the query: %w", err)
		}
		first := problems[0]
		offset := origin(min(max(int(first.PositionRange.Start), 0), len(text)))
		return slipway.Errorf(slipway.Invalid, "cannot parse the query: %s: %w", column(written, offset), first.Err)
	}
	switch expr.Type() {
	case parser.ValueTypeVector, parser.ValueTypeScalar:
		return nil
	case parser.ValueTypeMatrix:
		return slipway.Errorf(slipway.Invalid, "cannot use the query: its answer is many values for each series; take one of them, as rate(…[1m]) or avg_over_time(…[1m]) do")
	}
	return slipway.Errorf(slipway.Invalid, "cannot use the query: its answer is a %s, want numbers", expr.Type())
}

// column returns the place as people count: "column 5", and the line if there are several.
func column(query string, offset int) string {
	before := query[:min(offset, len(query))]
	n := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	if !strings.Contains(query, "\n") {
		return fmt.Sprintf("column %d", n)
	}
	return fmt.Sprintf("line %d, column %d", strings.Count(before, "\n")+1, n)
}
