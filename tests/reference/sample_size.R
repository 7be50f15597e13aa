# Patients needed by Riley's criteria, from sample_size_development.csv and sample_size_validation.csv into
# sample_size_expected.csv. Base R; every expectation is an integral by integrate(). Run in tests/reference.
options(digits = 17)
integral <- function(f, from, to, ...) {
  integrate(f, from, to, rel.tol = 1e-12, abs.tol = 0, subdivisions = 2000L, ...)$value
}
z <- function(level) qnorm((1 + level) / 2)

# The log-likelihood ratio of the outcome given x against none, over the mixture of two normal densities.
cox_snell <- function(prevalence, c_statistic) {
  mu <- sqrt(2) * qnorm(c_statistic)
  information <- function(x) {
    event <- prevalence * dnorm(x, mu)
    non_event <- (1 - prevalence) * dnorm(x)
    posterior <- event / (event + non_event)
    event * log(posterior / prevalence) + non_event * log((1 - posterior) / (1 - prevalence))
  }
  1 - exp(-2 * integral(information, -9, 9 + mu))
}

development <- function(d) {
  r2 <- cox_snell(d$prevalence, d$c_statistic)
  phi <- d$prevalence
  largest <- 1 - (phi^phi * (1 - phi)^(1 - phi))^2
  size <- function(s) d$parameters / ((s - 1) * log(1 - r2 / s))
  c(
    r2 = r2,
    shrinkage = size(d$shrinkage),
    optimism = size(1 / (1 + d$optimism * largest / r2)),
    overall_risk = phi * (1 - phi) / (d$margin / z(d$level))^2
  )
}

validation <- function(d) {
  low <- d$lp_mean - 9 * d$lp_sd
  high <- d$lp_mean + 9 * d$lp_sd
  density <- function(x) dnorm(x, d$lp_mean, d$lp_sd)
  # In two parts about the mean, so that integrate() cannot miss a narrow peak.
  whole <- function(f) integral(f, low, d$lp_mean) + integral(f, d$lp_mean, high)
  phi <- whole(function(x) plogis(x) * density(x))
  event <- function(x) plogis(x) * density(x) / phi
  non_event <- function(x) plogis(-x) * density(x) / (1 - phi)
  below <- function(x) vapply(x, function(end) integral(non_event, low, end), 0)
  c_statistic <- integral(function(x) event(x) * below(x), low + 1e-6, d$lp_mean) +
    integral(function(x) event(x) * below(x), d$lp_mean, high)

  se_o_e <- uniroot(
    function(s) exp(z(d$level) * s) - exp(-z(d$level) * s) - d$o_e_width, c(1e-6, 5), tol = 1e-15
  )$root
  information <- function(power) whole(function(x) x^power * plogis(x) * plogis(-x) * density(x))
  covariance <- solve(matrix(c(information(0), information(1), information(1), information(2)), 2))
  newcombe <- function(n) {
    k <- n / 2 - 1
    area <- c_statistic
    inner <- 1 + k * (1 - area) / (2 - area) + k * area / (1 + area)
    sqrt(area * (1 - area) * inner / (n * phi * n * (1 - phi)))
  }
  t <- d$threshold
  sensitivity <- integral(event, qlogis(t), high)
  false_positive <- integral(non_event, qlogis(t), high)
  odds <- t / (1 - t)
  # Delta method for sensitivity - false positives * (1 / phi - 1) * odds, all three estimated.
  variance <- sensitivity * (1 - sensitivity) / phi +
    ((1 / phi - 1) * odds)^2 * false_positive * (1 - false_positive) / (1 - phi) +
    (false_positive * odds / phi^2)^2 * phi * (1 - phi)
  per_se <- function(width) (2 * z(d$level) / width)^2
  c(
    prevalence = phi, implied_c = c_statistic,
    sensitivity = sensitivity, specificity = 1 - false_positive,
    o_e = (1 - phi) / phi / se_o_e^2,
    slope = covariance[2, 2] * per_se(d$slope_width),
    c_statistic = uniroot(
      function(n) newcombe(n) * 2 * z(d$level) / d$c_statistic_width - 1, c(2, 1e6), tol = 1e-9
    )$root,
    net_benefit = variance * per_se(d$net_benefit_width)
  )
}

rows <- list()
for (kind in c("development", "validation")) {
  cases <- read.csv(paste0("sample_size_", kind, ".csv"))
  for (i in seq_len(nrow(cases))) {
    values <- get(kind)(cases[i, ])
    rows <- c(rows, list(data.frame(
      kind = kind, case = cases$case[i], measure = names(values), value = sprintf("%.17g", values)
    )))
  }
}
write.csv(do.call(rbind, rows), "sample_size_expected.csv", row.names = FALSE, quote = FALSE)

versions <- data.frame(software = "R", version = paste(R.version$major, R.version$minor, sep = "."))
write.csv(versions, "sample_size_versions.csv", row.names = FALSE, quote = FALSE)
