package analysis

import (
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

// Confidence is at what the intervals are computed; a difference is one if the test's p is below what remains. It is Kayenta's.
const Confidence = 0.98

// greatest bounds what counts as a measurement: its square, summed over any series, is a finite number.
const greatest = 1e100

// comparison is what was found of two series.
type comparison struct {
	same                   bool    // all values are the same: there is nothing to test
	u                      float64 // pairs of which the canary's value is higher, and half of those that are tied
	pairs                  float64 // of a value of the canary and one of the control
	p                      float64 // two-sided
	sigma                  float64 // standard deviation of u if there is no difference, corrected for ties
	estimate, lower, upper float64 // Hodges-Lehmann, and its interval at Confidence
}

// compare compares two series of finite numbers for which decidable holds. It does not change them.
func compare(canary, control []float64) comparison {
	n, m := len(canary), len(control)
	c := comparison{p: 1, pairs: float64(n) * float64(m)}
	test, err := stats.MannWhitneyUTest(canary, control, stats.LocationDiffers)
	if err != nil { // ErrSamplesEqual; neither is empty
		c.same, c.u = true, c.pairs/2
		return c
	}
	c.u = test.U
	if c.u > c.pairs/2 {
		// The test looks at the lower tail of the first series' U, and with ties the upper one is not its mirror.
		if test, err = stats.MannWhitneyUTest(control, canary, stats.LocationDiffers); err != nil {
			panic(err) // it has just been done the other way round
		}
	}
	c.p = min(test.P, 1) // twice a tail with the middle in it is more than everything

	x, y := slices.Sorted(slices.Values(canary)), slices.Sorted(slices.Values(control))
	c.estimate = medianDifference(x, y)
	c.lower, c.upper = math.Inf(-1), math.Inf(1)
	below, above := newNull(y, x), newNull(x, y)
	c.sigma = above.sigma
	if k := below.rank((1 - Confidence) / 2); k > 0 {
		c.lower = difference(x, y, k)
	}
	if k := above.rank((1 - Confidence) / 2); k > 0 {
		c.upper = difference(x, y, n*m+1-k)
	}
	return c
}

// beyond reports whether the canary's values are higher, by more than the tolerance lets pass. The rule is that of Kayenta's
// MannWhitneyClassifier: all of the interval lies above a share of the estimate.
//
// That rule takes for granted that the canary's values are the control's, moved. Where they are not, estimate and bounds are of no
// use, however sure the test is. Errors in every third interval of the canary and in none of its control's: most pairs are of two
// zeros, and estimate and both bounds are zero, in R and in Kayenta too. A cache that misses twice as often: the estimate lies at
// the distance from hits to misses, the lower bound still among the hits. So the same rule is applied to the test's own statistic as
// well: its distance from what was to be expected must stay out of chance's reach when a share of it is taken away. For values that
// are the control's, moved, the two say the same, as the bound falls short of the estimate by as much as chance can explain of the distance.
func (c comparison) beyond(tolerance float64) bool {
	if c.same || c.p >= 1-Confidence || c.u <= c.pairs/2 {
		return false
	}
	distance := (c.u - c.pairs/2 - 0.5) / c.sigma
	return c.lower > tolerance*math.Abs(c.estimate) || distance*(1-tolerance) > stats.StdNormal.InvCDF((1+Confidence)/2)
}

// mirrored returns the comparison of the series with each value's sign turned.
func (c comparison) mirrored() comparison {
	c.u = c.pairs - c.u
	c.estimate, c.lower, c.upper = -c.estimate, -c.upper, -c.lower
	return c
}

// decidable reports whether series of so many values can show a difference at all: whether p is small enough if all values of the one are
// above all of the other.
func decidable(n, m int) bool {
	if n == 0 || m == 0 {
		return false
	}
	ways := 1.0 // (n+m)! / (n! m!)
	for i := 1; i <= min(n, m) && ways < 1e6; i++ {
		ways *= float64(max(n, m)+i) / float64(i)
	}
	return 2/ways < 1-Confidence
}

// measured returns those of values that are measurements.
func measured(values []float64) []float64 {
	kept := make([]float64, 0, len(values))
	for _, v := range values {
		if math.Abs(v) <= greatest { // not so for NaN
			kept = append(kept, v+0) // -0 is 0
		}
	}
	return kept
}

// mean returns the mean of values, 0 if there are none.
func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / max(float64(len(values)), 1)
}
