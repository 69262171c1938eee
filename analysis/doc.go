// Package analysis compares a canary with its control: the same metric of two server groups over the same time.
//
// The method is that of Netflix's Kayenta (NetflixACAJudge and its MannWhitneyClassifier). Each metric is put to the Mann-Whitney U
// test, which asks whether values of the one group tend to be higher than those of the other and makes no assumption about how they
// are distributed: latencies have long tails, error rates are mostly zero. How much higher they are is the Hodges-Lehmann estimate, the
// median of all differences between a value of the one and a value of the other, with its interval at 98 % confidence. A metric fails if
// the whole interval lies, on the bad side, beyond a share (the tolerance, 0.25) of the estimate, and if the difference is not smaller
// than the metric's least effect. The score is the share of metrics that passed.
//
// Where Kayenta is silent, this package is not:
//
//   - What cannot be judged is [slipway.GradeNoData] and says why. It is never taken for a success: neither a metric, nor a critical one
//     among many, nor samples so few that no difference whatever could be told from chance.
//   - Errors come in a few intervals and are zero in all others; caches make latencies of two kinds. No shift of the one group's values
//     makes them the other's, and the Hodges-Lehmann estimate and its interval say little: for errors in a third of a canary's intervals
//     and none of its control's they are zero. There the tolerance is taken of the test's own statistic. See comparison.beyond.
//   - Nothing is removed as an outlier. The test goes by ranks, in which a single wild value is worth no more than any other.
//
// What it cannot see: a difference in the spread alone, and a failure in so few intervals that it could be chance. A short outage of the
// canary is for a load balancer's check, not for statistics. It takes samples for independent; a query whose values overlap (a rate
// over five minutes, asked for every ten seconds) makes it surer than it should be.
package analysis
