package analysis

import (
	"math"

	"github.com/aclements/go-moremath/stats"
)

// null is the distribution of the U statistic, the pairs of which the first series' value is higher, of two series between which there
// is no difference. With ties it need not be symmetric.
type null struct {
	n, m  int
	ties  []int   // how often each value occurs, in order of the values
	tied  bool    // some occur more than once
	sigma float64 // its standard deviation, corrected for ties
}

// newNull returns the distribution for two sorted series.
func newNull(x, y []float64) null {
	d := null{n: len(x), m: len(y)}
	excess := 0.0
	for i, j := 0, 0; i < len(x) || j < len(y); {
		var v float64
		if j == len(y) || i < len(x) && x[i] <= y[j] {
			v = x[i]
		} else {
			v = y[j]
		}
		t := 0
		for ; i < len(x) && x[i] == v; i++ {
			t++
		}
		for ; j < len(y) && y[j] == v; j++ {
			t++
		}
		d.ties = append(d.ties, t)
		d.tied = d.tied || t > 1
		f := float64(t)
		excess += f*f*f - f
	}
	n, m := float64(d.n), float64(d.m)
	all := n + m
	d.sigma = math.Sqrt(n * m / 12 * (all + 1 - excess/(all*(all-1))))
	return d
}

// rank returns the greatest k for which a U below k has at most the probability tail; 0 if there is none. The k-th greatest difference
// of the first series from the second is then a bound of the Hodges-Lehmann estimate: Moses' interval, in Hollander and Wolfe, Nonparametric
// Statistical Methods, section 4.3. It is exact where the U test is, which is for short series, and a normal approximation, corrected for ties and
// continuity, elsewhere; the same as the test's, so that the interval touches or holds zero whenever the test finds no difference.
func (d null) rank(tail float64) int {
	exact := stats.MannWhitneyExactLimit
	if d.tied {
		exact = stats.MannWhitneyTiesExactLimit
	}
	if d.n > exact || d.m > exact {
		k := float64(d.n)*float64(d.m)/2 + 0.5 - stats.StdNormal.InvCDF(1-tail)*d.sigma
		return max(int(math.Floor(k)), 0)
	}
	u := stats.UDist{N1: d.n, N2: d.m, T: d.ties}
	low, high := 0, d.n*d.m+1 // P(U < low) <= tail < P(U < high)
	for high-low > 1 {
		k := (low + high) / 2
		if u.CDF(float64(k-1)) <= tail {
			low = k
		} else {
			high = k
		}
	}
	return low
}

// medianDifference returns the Hodges-Lehmann estimate of the shift from y to x, both sorted and not empty: the median of all x[i]-y[j].
func medianDifference(x, y []float64) float64 {
	all := len(x) * len(y)
	upper := difference(x, y, all/2+1)
	if all%2 == 1 {
		return upper
	}
	return (difference(x, y, all/2) + upper) / 2
}

// difference returns the k-th smallest, from 1, of all x[i]-y[j], for sorted series of finite numbers. It makes no list of the n·m
// differences: it halves the numbers between the least and the greatest of them, in the order in which floating-point numbers follow
// each other, and counts in n+m steps how many are at most the middle. So it is exact after at most 64 counts, however long the series.
func difference(x, y []float64, k int) float64 {
	low, high := order(x[0]-y[len(y)-1]), order(x[len(x)-1]-y[0])
	for low < high {
		middle := low + int64(uint64(high-low)/2)
		if atMost(x, y, number(middle)) >= k {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return number(low) + 0 // -0 is 0
}

// atMost counts the pairs of which x[i]-y[j] is at most limit.
func atMost(x, y []float64, limit float64) int {
	count, j := 0, 0
	for _, v := range x { // the greater v, the fewer
		for j < len(y) && v-y[j] > limit {
			j++
		}
		count += len(y) - j
	}
	return count
}

// order maps numbers to integers in the same order, neighbours to neighbours; number is its inverse.
func order(f float64) int64 {
	if b := int64(math.Float64bits(f)); b >= 0 {
		return b
	} else {
		return math.MinInt64 - b
	}
}

func number(i int64) float64 {
	if i < 0 {
		i = math.MinInt64 - i
	}
	return math.Float64frombits(uint64(i))
}
