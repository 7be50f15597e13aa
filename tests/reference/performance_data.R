# Makes the data sets on which the performance measures are compared with R: outcome and two models' predictions.
# Run in tests/reference. Predictions are rounded before the outcome is kept, so that the CSV holds them exactly.
RNGversion("4.2.0")
set.seed(20251116)

two_models <- function(n, digits) {
  lp <- rnorm(n, -0.2, 1.1)
  y <- rbinom(n, 1, plogis(lp))
  inside <- function(p) pmin(pmax(round(p, digits), 10^-digits), 1 - 10^-digits)
  data.frame(
    y = y,
    p_a = inside(plogis(0.3 + 0.7 * lp + rnorm(n, 0, 0.5))),
    p_b = inside(plogis(-0.1 + 1.3 * lp + rnorm(n, 0, 1.2)))
  )
}

write.csv(two_models(40, 6), "performance_40.csv", row.names = FALSE)
write.csv(two_models(500, 6), "performance_500.csv", row.names = FALSE)
# Two digits at 150 patients: most predictions are shared by several patients.
write.csv(two_models(150, 2), "performance_ties.csv", row.names = FALSE)
