# The comparison of two arms on three data sets: proportions by strata, ordered classes, rates and times.
# Run in tests/reference; needs metafor, rms and survival.
suppressMessages({library(metafor); library(rms); library(survival)})
options(digits = 17)
set.seed(20251116)

draw <- function(name, sizes, control_sizes, p, p0) data.frame(
  set = name, stratum = seq_along(sizes),
  events = rbinom(length(sizes), sizes, p), n = sizes,
  events_reference = rbinom(length(control_sizes), control_sizes, p0), n_reference = control_sizes
)
strata <- rbind(
  draw("trial", c(520, 410, 330, 193), c(170, 140, 110, 71), c(.58, .49, .75, .70), c(.55, .48, .72, .69)),
  data.frame(set = "small", stratum = 1:3, events = c(6, 5, 1), n = c(7, 9, 4), events_reference = c(1, 0, 2),
             n_reference = c(5, 3, 6)),
  draw("single", 60, 62, .95, .60)
)
write.csv(strata, "efficacy_strata.csv", row.names = FALSE)

classes <- rbind(
  data.frame(set = "trial", class = 0:3, treated = c(760, 190, 205, 36), reference = c(257, 57, 64, 12)),
  data.frame(set = "small", class = 0:3, treated = c(9, 4, 3, 1), reference = c(3, 2, 6, 4)),
  data.frame(set = "single", class = 0:2, treated = c(20, 30, 10), reference = c(30, 10, 22))
)
write.csv(classes, "efficacy_classes.csv", row.names = FALSE)

rates <- data.frame(
  set = c("trial", "small", "single"),
  events = c(870, 3, 0), time = c(61234.5, 210, 33), events_reference = c(318, 5, 4), time_reference = c(20345, 150, 40)
)
write.csv(rates, "efficacy_rates.csv", row.names = FALSE)

follow <- function(name, n, n0, scale, scale0, censored) {
  arm <- rep(c("treated", "reference"), c(n, n0))
  days <- ceiling(rweibull(n + n0, 3, ifelse(arm == "treated", scale, scale0)))
  data.frame(set = name, arm = arm, days = days, seen = as.integer(runif(n + n0) > censored))
}
times <- rbind(follow("trial", 90, 60, 150, 146, .1), follow("small", 12, 9, 150, 120, .3),
               follow("single", 40, 41, 160, 120, 0))
write.csv(times, "efficacy_times.csv", row.names = FALSE)

# The likelihood is maximised by search, not by the cubic that the code solves.
variance_at <- function(d, delta) {
  one <- function(x, n, x0, n0) {
    loss <- function(p0) -(dbinom(x, n, p0 + delta, log = TRUE) + dbinom(x0, n0, p0, log = TRUE))
    ends <- c(max(0, -delta), min(1, 1 - delta))
    p0 <- optimize(loss, ends, tol = 1e-14)$minimum
    for (end in ends) if (is.finite(loss(end)) && loss(end) <= loss(p0)) p0 <- end
    # Newton's steps from there: optimize() stops at half of the digits.
    for (i in 1:40) {
      p <- p0 + delta
      if (min(p, 1 - p, p0, 1 - p0) <= 1e-9) break
      g <- x / p - (n - x) / (1 - p) + x0 / p0 - (n0 - x0) / (1 - p0)
      h <- -x / p^2 - (n - x) / (1 - p)^2 - x0 / p0^2 - (n0 - x0) / (1 - p0)^2
      p0 <- p0 - g / h
    }
    p <- p0 + delta
    (p * (1 - p) / n + p0 * (1 - p0) / n0) * (n + n0) / (n + n0 - 1)
  }
  mapply(one, d$events, d$n, d$events_reference, d$n_reference)
}
score <- function(d, delta) {
  w <- d$n * d$n_reference / (d$n + d$n_reference)
  w <- w / sum(w)
  difference <- d$events / d$n - d$events_reference / d$n_reference
  sum(w * (difference - delta)) / sqrt(sum(w^2 * variance_at(d, delta)))
}
pooled <- function(d) data.frame(events = sum(d$events), n = sum(d$n), events_reference = sum(d$events_reference),
                                 n_reference = sum(d$n_reference))
z <- qnorm(.975)
mn <- function(d) {
  w <- d$n * d$n_reference / (d$n + d$n_reference)
  value <- sum(w * (d$events / d$n - d$events_reference / d$n_reference)) / sum(w)
  c(value, uniroot(function(x) score(d, x) - z, c(-.999, value), tol = 1e-13)$root,
    uniroot(function(x) score(d, x) + z, c(value, .999), tol = 1e-13)$root)
}
newcombe <- function(d) {
  a <- suppressWarnings(prop.test(d$events, d$n, correct = FALSE))
  b <- suppressWarnings(prop.test(d$events_reference, d$n_reference, correct = FALSE))
  p <- unname(a$estimate); q <- unname(b$estimate)
  c(p - q, p - q - sqrt((p - a$conf.int[1])^2 + (b$conf.int[2] - q)^2),
    p - q + sqrt((a$conf.int[2] - p)^2 + (q - b$conf.int[1])^2))
}
mh <- function(d, measure) {
  fit <- rma.mh(ai = events, n1i = n, ci = events_reference, n2i = n_reference, measure = measure, data = d,
                add = 0, to = "none", drop00 = FALSE, correct = FALSE)
  f <- if (measure == "RD") identity else exp
  f(c(fit$beta, fit$ci.lb, fit$ci.ub))
}

rows <- list()
put <- function(set, quantity, values) rows[[length(rows) + 1]] <<- data.frame(
  set = set, quantity = paste0(quantity, c("", "_low", "_high")[seq_along(values)]), value = values)
for (set in unique(strata$set)) {
  d <- strata[strata$set == set, ]
  whole <- pooled(d)
  put(set, "newcombe", newcombe(whole))
  put(set, "miettinen_nurminen", mn(whole))
  put(set, "miettinen_nurminen_stratified", mn(d))
  put(set, "score_at_minus_0.1", score(whole, -.1))
  for (measure in c("RD", "RR", "OR")) {
    put(set, measure, mh(whole, measure))
    put(set, paste0(measure, "_stratified"), mh(d, measure))
  }
  cells <- array(rbind(d$events, d$n - d$events, d$events_reference, d$n_reference - d$events_reference),
                 c(2, 2, nrow(d)))
  if (nrow(d) > 1) put(set, "cmh", unname(mantelhaen.test(cells, correct = FALSE)$statistic))
  long <- rbind(data.frame(y = d$events, n = d$n, arm = 1, stratum = d$stratum),
                data.frame(y = d$events_reference, n = d$n_reference, arm = 0, stratum = d$stratum))
  if (set == "trial") {
    exact <- glm.control(epsilon = 1e-14, maxit = 200)
    additive <- glm(cbind(y, n - y) ~ arm + factor(stratum), binomial, long, control = exact)
    put(set, "interaction", additive$deviance)
    put(set, "interaction_p", pchisq(additive$deviance, additive$df.residual, lower.tail = FALSE))
  }
}
for (set in unique(classes$set)) {
  d <- classes[classes$set == set, ]
  long <- rbind(data.frame(class = d$class, arm = 1, w = d$treated), data.frame(class = d$class, arm = 0, w = d$reference))
  long <- long[rep(seq_len(nrow(long)), long$w), ]
  # lrm has logit P(class >= k): of minus the class it is the odds of a lower one.
  fit <- lrm(factor(-class) ~ arm, long, eps = 1e-14, tol = 1e-14, maxit = 100)
  put(set, "proportional_odds", unname(exp(coef(fit)["arm"] + c(0, -z, z) * sqrt(vcov(fit)["arm", "arm"]))))
  saturated <- sum(d$treated * log(d$treated / sum(d$treated))) + sum(d$reference * log(d$reference / sum(d$reference)))
  put(set, "not_proportional", 2 * saturated + fit$deviance[2])
}
for (set in rates$set) {
  d <- rates[rates$set == set, ]
  one <- poisson.test(d$events, d$time)
  put(set, "rate", c(unname(one$estimate), one$conf.int))
  two <- poisson.test(c(d$events, d$events_reference), c(d$time, d$time_reference))
  put(set, "rate_ratio", c(unname(two$estimate), two$conf.int))
}
for (set in unique(times$set)) {
  d <- times[times$set == set, ]
  d$arm <- factor(d$arm)
  curve <- survfit(Surv(days, seen) ~ 1, d[d$arm == "treated", ], conf.type = "log-log")
  put(set, "median", unname(unlist(quantile(curve, .5))))
  put(set, "log_rank", survdiff(Surv(days, seen) ~ arm, d)$chisq)
}
write.csv(do.call(rbind, rows), "efficacy_expected.csv", row.names = FALSE)
versions <- c(R = as.character(getRversion()), sapply(c("metafor", "rms", "survival"), function(x) as.character(packageVersion(x))))
write.csv(data.frame(software = names(versions), version = versions), "efficacy_versions.csv", row.names = FALSE)
