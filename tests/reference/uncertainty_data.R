# Data of uncertainty.R: patients of 12 centres who differ, two repeats of predictions, bootstrap models.
# Run in tests/reference.
set.seed(61)
n <- 180
centre <- rep(sprintf("C%02d", 1:12), length.out = n)
shift <- rnorm(12, 0, 0.7)[as.integer(factor(centre))]
x1 <- rnorm(n)
x2 <- rnorm(n)
y <- rbinom(n, 1, plogis(0.2 + 0.8 * x1 + shift))
lp <- 0.2 + 1.1 * x1 + 0.5 * shift
data <- data.frame(
  centre = centre, y = y, x1 = signif(x1, 9), x2 = signif(x2, 9),
  p_1 = signif(plogis(lp + rnorm(n, 0, 0.2)), 9), p_2 = round(plogis(lp + rnorm(n, 0, 0.2)), 2)
)
data$p_2 <- pmin(pmax(data$p_2, 0.01), 0.99)
write.csv(data, "uncertainty_180.csv", row.names = FALSE, quote = FALSE)

counts <- t(replicate(60, tabulate(sample(n, replace = TRUE), n)))
write.table(counts, "uncertainty_counts.csv", sep = ",", row.names = FALSE, col.names = FALSE)
