# Values of two strategies by g-computation and augmented inverse probability weighting, from a simulated trial.
# Run in tests/reference.
options(digits = 17)
set.seed(20251116)
n <- 400
arm <- ifelse(runif(n) < 0.75, "ADAPTIVE", "CONTROL")
x1 <- round(rnorm(n), 6)
x2 <- round(rnorm(n), 6)
y <- rbinom(n, 1, plogis(0.2 + 0.7 * x1 - 0.3 * x2 + (arm == "ADAPTIVE") * (0.4 + 0.5 * x1)))
trial <- data.frame(arm, x1, x2, y)
write.csv(trial, "strategy_trial.csv", row.names = FALSE)

exact <- glm.control(epsilon = 1e-14, maxit = 100)
fit <- glm(y ~ (arm == "ADAPTIVE") * (x1 + x2), family = binomial, data = trial, control = exact)
under <- function(name) unname(predict(fit, transform(trial, arm = name), type = "response"))
m0 <- under("CONTROL")
m1 <- under("ADAPTIVE")
phi0 <- m0 + (arm == "CONTROL") / 0.25 * (y - m0)
phi1 <- m1 + (arm == "ADAPTIVE") / 0.75 * (y - m1)
high <- function(phi) mean(phi) + qnorm(0.975) * sd(phi) / sqrt(n)
expected <- c(
  g_control = mean(m0), g_adaptive = mean(m1),
  aipw_control = mean(phi0), aipw_control_high = high(phi0),
  aipw_adaptive = mean(phi1), aipw_adaptive_high = high(phi1),
  aipw_difference = mean(phi1 - phi0), aipw_difference_high = high(phi1 - phi0)
)
write.csv(data.frame(quantity = names(expected), value = expected), "strategy_expected.csv", row.names = FALSE)
