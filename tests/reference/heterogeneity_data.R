# Makes the data sets on which measures by centre and their meta-analysis are compared with R.
# Run in tests/reference. Predictions are rounded first, so that the CSV holds them exactly.
RNGversion("4.2.0")
set.seed(20260118)

# Columns p_1, p_2, ... are repeats: predictions for the same patients by models of different folds.
centres <- function(sizes, digits, repeats, between) {
  centre <- rep(sprintf("C%02d", seq_along(sizes)), sizes)
  n <- sum(sizes)
  shift <- rnorm(length(sizes), 0, between)[rep(seq_along(sizes), sizes)]
  strength <- exp(rnorm(length(sizes), 0, between))[rep(seq_along(sizes), sizes)]
  lp <- rnorm(n, 0.1, 1)
  y <- rbinom(n, 1, plogis(shift + strength * lp))
  inside <- function(p) pmin(pmax(round(p, digits), 10^-digits), 1 - 10^-digits)
  p <- replicate(repeats, inside(plogis(0.1 + 0.9 * lp + rnorm(n, 0, 0.4))))
  colnames(p) <- paste0("p_", seq_len(repeats))
  data.frame(centre = centre, y = y, p)[sample(n), ]
}

write.csv(centres(c(18, 22), 6, 1, 0.2), "heterogeneity_40.csv", row.names = FALSE, quote = FALSE)
# One digit at 360 patients: every prediction is shared by many patients.
write.csv(centres(rep(60, 6), 1, 1, 0.6), "heterogeneity_ties.csv", row.names = FALSE, quote = FALSE)
# Thirty centres from 6 to 64 patients: the small ones are counted, not pooled.
write.csv(centres(seq(6, 64, 2), 6, 3, 0.3), "heterogeneity_many.csv", row.names = FALSE, quote = FALSE)
