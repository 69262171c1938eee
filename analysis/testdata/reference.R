# What R says of the recorded series: written to reference.csv, which recorded_test.go compares with what package analysis says.
# The test is exact where the package's is: without ties up to 50 values. (Up to 25 the package is exact with ties too; no such
# series is recorded here.) The interval is R's own, found as a root, not as an order statistic.

files <- setdiff(list.files(pattern = "\\.csv$"), "reference.csv")
rows <- lapply(files, function(file) {
  d <- read.csv(file)
  x <- d$canary[!is.na(d$canary)]
  y <- d$control[!is.na(d$control)]
  if (length(unique(c(x, y))) < 2) return(NULL) # R refuses these
  tied <- any(duplicated(c(x, y)))
  exact <- !tied && length(x) <= 50 && length(y) <= 50
  t <- suppressWarnings(wilcox.test(x, y, exact = exact))
  both <- length(unique(x)) > 1 || length(unique(y)) > 1
  ci <- c(NA, NA)
  if (both) ci <- suppressWarnings(wilcox.test(x, y, exact = exact, conf.int = TRUE, conf.level = 0.98, tol.root = 1e-12))$conf.int
  data.frame(case = sub("\\.csv$", "", file), n = length(x), m = length(y), u = unname(t$statistic), p = t$p.value,
             estimate = median(outer(x, y, "-")), lower = ci[1], upper = ci[2])
})
write.csv(format(do.call(rbind, rows), digits = 12, trim = TRUE), "reference.csv", row.names = FALSE, quote = FALSE)
