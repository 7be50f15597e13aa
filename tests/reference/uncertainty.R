# Intervals by centre, parts of the scores, EVPI, bias-corrected calibration curve: from uncertainty_180.csv and
# uncertainty_counts.csv into uncertainty_expected.csv and uncertainty_models.csv. Run in tests/reference.
suppressPackageStartupMessages({
  library(pROC)
  library(rms)
})
options(digits = 17)
data <- read.csv("uncertainty_180.csv")
counts <- as.matrix(read.csv("uncertainty_counts.csv", header = FALSE))
y <- data$y
n <- length(y)
centre <- factor(data$centre)
groups <- nlevels(centre)
exact <- 1e-14
rows <- list()
add <- function(what, values) {
  rows[[length(rows) + 1]] <<- data.frame(what = what, at = names(values), value = sprintf("%.17g", values))
}

# The AUC of clustered patients by Obuchowski's formula (Biometrics 1997;53:567), from its definition: all
# pairs, sums of placements by centre. `clusters` G / (G - 1) is in each of its three terms.
obuchowski <- function(y, p) {
  pairs <- outer(p[y == 1], p[y == 0], function(a, b) (a > b) + (a == b) / 2)
  area <- mean(pairs)
  v10 <- rowMeans(pairs)
  v01 <- colMeans(pairs)
  g1 <- centre[y == 1]
  g0 <- centre[y == 0]
  m <- length(v10)
  k <- length(v01)
  stopifnot(all(table(g1) > 0), all(table(g0) > 0))
  sum10 <- tapply(v10, g1, sum) - table(g1) * area
  sum01 <- tapply(v01, g0, sum) - table(g0) * area
  factor <- groups / (groups - 1)
  s10 <- factor / m * sum(sum10^2)
  s01 <- factor / k * sum(sum01^2)
  s11 <- factor * sum(sum10 * sum01)
  c(auc = area, auc_se = sqrt(s10 / m + s01 / k + 2 * s11 / (m * k)))
}

# rms::robcov has the sum of squares alone; G / (G - 1) is ours.
robust <- function(fit, name) {
  covered <- robcov(fit, centre)
  unname(sqrt(groups / (groups - 1) * diag(vcov(covered))[name]))
}

clustered <- function(y, p) {
  lp <- qlogis(p)
  line <- lrm(y ~ lp, x = TRUE, y = TRUE, eps = exact, maxit = 100)
  loss <- -dbinom(y, 1, p, log = TRUE)
  error <- (p - y)^2
  of_mean <- function(c) sqrt(groups / (groups - 1) * sum(tapply(c - mean(c), centre, sum)^2)) / n
  o <- sum(y)
  e <- sum(p)
  ratio <- tapply(y / e - o * p / e^2, centre, sum)
  c(
    obuchowski(y, p),
    calibration_slope = unname(coef(line)["lp"]), calibration_slope_se = robust(line, "lp"),
    brier = mean(error), brier_se = of_mean(error),
    log_loss = mean(loss), log_loss_se = of_mean(loss),
    o_e = o / e, o_e_se = sqrt(groups / (groups - 1) * sum(ratio^2))
  )
}

within <- function(y, p) {
  parts <- sapply(levels(centre), function(g) {
    inside <- centre == g
    events <- sum(y[inside])
    others <- sum(inside) - events
    if (min(events, others) < 2) return(c(NA, NA, 0))
    roc <- roc(y[inside], p[inside], levels = c(0, 1), direction = "<", quiet = TRUE)
    c(as.numeric(auc(roc)), var(roc, method = "delong"), events * others / sum(inside))
  })
  used <- parts[3, ] > 0
  weight <- parts[3, used] / sum(parts[3, used])
  c(auc_within = sum(weight * parts[1, used]), auc_within_se = sqrt(sum(weight^2 * parts[2, used])))
}

# Isotonic regression by stats::isoreg: in order of p, of ties the events first, so that ties are pooled.
parts_of <- function(y, p) {
  order <- order(p, -y)
  recalibrated <- numeric(n)
  recalibrated[order] <- isoreg(y[order])$yf
  prevalence <- rep(mean(y), n)
  brier <- function(q) mean((q - y)^2)
  log_loss <- function(q) -mean(dbinom(y, 1, q, log = TRUE))
  of <- function(score, name) {
    values <- c(score(p) - score(recalibrated), score(prevalence) - score(recalibrated), score(prevalence))
    setNames(values, paste0(name, c("_miscalibration", "_discrimination", "_uncertainty")))
  }
  c(of(brier, "brier"), of(log_loss, "log_loss"))
}

evpi <- function(y, p, escalation) {
  event <- if (escalation) 1 - y else y
  risk <- if (escalation) 1 - p else p
  sapply(setNames(c(0.3, 0.5, 0.7), c("0.3", "0.5", "0.7")), function(t) {
    gain <- event - (1 - event) * t / (1 - t)
    model <- counts %*% ((round(risk, 9) >= t) * gain) / n
    everybody <- counts %*% gain / n
    mean(pmax(model, everybody, 0)) - max(mean(model), mean(everybody), 0)
  })
}

# The same on the assumption that both net benefits are normal, E max(0, X, Y) by two integrals: how the
# bootstrap compares with the closed form of Sadatsafavi et al. (moments of the sample).
evpi_normal <- function(y, p, t) {
  gain <- y - (1 - y) * t / (1 - t)
  pair <- cbind((p >= t) * gain, gain)
  mean <- colMeans(pair)
  covariance <- cov(pair) / n
  s <- sqrt(covariance[1, 1])
  inner <- function(x) { # E max(x, 0, Y) given X = x
    sapply(x, function(value) {
      m <- mean[2] + covariance[1, 2] / covariance[1, 1] * (value - mean[1])
      sd <- sqrt(covariance[2, 2] - covariance[1, 2]^2 / covariance[1, 1])
      floor <- max(value, 0)
      floor + (m - floor) * pnorm((m - floor) / sd) + sd * dnorm((m - floor) / sd)
    })
  }
  best <- integrate(function(x) inner(x) * dnorm(x, mean[1], s), mean[1] - 9 * s, mean[1] + 9 * s,
    rel.tol = 1e-10, subdivisions = 1000L
  )$value
  best - max(0, mean)
}

for (repeat_of in c("p_1", "p_2")) {
  p <- data[[repeat_of]]
  add(repeat_of, c(clustered(y, p), within(y, p), parts_of(y, p)))
  add(paste0(repeat_of, " evpi de_escalation"), evpi(y, p, FALSE))
  add(paste0(repeat_of, " evpi escalation"), evpi(y, p, TRUE))
}
add("p_1 evpi normal", sapply(setNames(c(0.3, 0.5, 0.7), c("0.3", "0.5", "0.7")), function(t) {
  evpi_normal(y, data$p_1, t)
}))

# rms::calibrate, with R's loess in place of lowess; the samples that it draws are drawn again by the same
# seed, and their models' predictions are written, so that the same models can be judged elsewhere.
at <- seq(0.3, 0.7, length.out = 9)
smoother <- function(x, y) {
  # The k-d tree of the loess depends on nothing but its input; approx() then reads it at these points alone.
  list(x = at, y = unname(predict(loess(as.numeric(y) ~ x), data.frame(x = at))))
}
samples <- 12
fit <- lrm(y ~ x1 + x2, data = data, x = TRUE, y = TRUE)
set.seed(4)
curve <- calibrate(fit, predy = at, method = "boot", B = samples, smoother = smoother)
add("calibrate apparent", setNames(curve[, "calibrated.orig"], sprintf("%.17g", at)))
add("calibrate corrected", setNames(curve[, "calibrated.corrected"], sprintf("%.17g", at)))
set.seed(4)
design <- as.matrix(data[, c("x1", "x2")])
models <- lapply(seq_len(samples), function(b) {
  drawn <- sample(n, replace = TRUE)
  coefficients <- lrm.fit(design[drawn, ], y[drawn], tol = 1e-13)$coefficients
  data.frame(
    sample = b, patient = seq_len(n), drawn = tabulate(drawn, n),
    p = sprintf("%.17g", plogis(coefficients[1] + design %*% coefficients[-1]))
  )
})
whole <- data.frame(
  sample = 0, patient = seq_len(n), drawn = 1, p = sprintf("%.17g", plogis(unname(fit$linear.predictors)))
)
write.csv(do.call(rbind, c(list(whole), models)), "uncertainty_models.csv", row.names = FALSE, quote = FALSE)
write.csv(do.call(rbind, rows), "uncertainty_expected.csv", row.names = FALSE, quote = FALSE)

versions <- data.frame(
  software = c("R", "pROC", "rms"),
  version = c(
    paste(R.version$major, R.version$minor, sep = "."),
    as.character(packageVersion("pROC")), as.character(packageVersion("rms"))
  )
)
write.csv(versions, "uncertainty_versions.csv", row.names = FALSE, quote = FALSE)
