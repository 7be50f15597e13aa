# Boundaries by alpha spending from multivariate normal probabilities, power of two proportions, of a model minus the
# rules (pairs of patients counted one by one) and of arm by group (glm on expected counts; its likelihood ratio test).
# Run in tests/reference; needs mvtnorm.
suppressMessages(library(mvtnorm))
options(digits = 17)
spend <- list(
  obrien_fleming = function(t, a) 2 * (2 - 2 * pnorm(qnorm(1 - a / 4) / sqrt(t))),
  pocock = function(t, a) a * log(1 + (exp(1) - 1) * t)
)
stay <- function(b, t) {
  if (length(b) == 1) return(pnorm(b) - pnorm(-b))
  r <- outer(t, t, function(x, y) sqrt(pmin(x, y) / pmax(x, y)))
  as.numeric(pmvnorm(-b, b, corr = r, algorithm = Miwa(steps = 2048)))
}
rows <- list()
for (looks in list(c(.5, 1), c(.5, .75, 1), c(.2, .6, .8, 1))) for (kind in names(spend)) for (alpha in c(.05, .01)) {
  b <- c()
  for (k in seq_along(looks)) {
    left <- 1 - spend[[kind]](looks[k], alpha)
    b[k] <- uniroot(function(x) stay(c(b[seq_len(k - 1)], x), looks[1:k]) - left, c(.5, 8), tol = 1e-10)$root
  }
  rows[[length(rows) + 1]] <- data.frame(kind, alpha, looks = paste(looks, collapse = " "), look = seq_along(b), bound = b)
}
write.csv(do.call(rbind, rows), "design_bounds.csv", row.names = FALSE)
power <- expand.grid(n = c(100, 500, 1000), p0 = c(.3, .6), gain = c(.02, .05, .1))
power$power <- mapply(function(n, p, g) power.prop.test(n, p, p + g, strict = TRUE)$power, power$n, power$p0, power$gain)
write.csv(power, "design_power.csv", row.names = FALSE)
kinds <- expand.grid(x = qnorm((1:12 - .5) / 12), branch = 1:3)
kinds$weight <- c(.5, .3, .2)[kinds$branch] / 12
kinds$truth <- plogis(c(1.1, .2, -.4)[kinds$branch] + c(1.2, .8, 1.5)[kinds$branch] * kinds$x)
kinds$rules <- ave(kinds$truth, kinds$branch)
kinds$model <- plogis(.1 + .6 * qlogis(kinds$truth) + .7 * sin(1:36))
write.csv(kinds[c("weight", "truth", "rules", "model")], "design_forecasts.csv", row.names = FALSE)
threshold <- .65
loss <- function(p, y) -(y * log(p) + (1 - y) * log(1 - p))
benefit <- function(p, y) ifelse(p >= threshold, ifelse(y == 1, 1, -threshold / (1 - threshold)), 0)
of_mean <- function(f) {
  d <- c(f(kinds$model, 1) - f(kinds$rules, 1), f(kinds$model, 0) - f(kinds$rules, 0))
  w <- c(kinds$weight * kinds$truth, kinds$weight * (1 - kinds$truth))
  m <- sum(w * d)
  c(m, sqrt(sum(w * (d - m)^2)))
}
of_auc <- function() {
  a <- kinds$weight * kinds$truth; b <- kinds$weight * (1 - kinds$truth)
  wins <- function(p) outer(p, p, function(i, j) (i > j) + (i == j) / 2)
  d <- wins(kinds$model) - wins(kinds$rules)
  v10 <- as.numeric(d %*% b) / sum(b); v01 <- as.numeric(a %*% d) / sum(a)
  m <- sum(a * v10) / sum(a)
  c(m, sqrt(sum(a * (v10 - m)^2) / sum(a)^2 + sum(b * (v01 - m)^2) / sum(b)^2))
}
found <- rbind(log_loss = of_mean(loss), auc = of_auc(), "net_benefit@0.65" = of_mean(benefit))
better <- c(-1, 1, 1)
rows <- lapply(c(200, 1000), function(n) data.frame(measure = rownames(found), n, difference = found[, 1], sd = found[, 2],
  power = pnorm(better * found[, 1] * sqrt(n) / found[, 2] - qnorm(.975))))
write.csv(do.call(rbind, rows), "design_forecasts_expected.csv", row.names = FALSE)
arm <- c(1, 0, 1, 0); group <- c(1, 1, 0, 0)
cases <- expand.grid(n = c(400, 2000), treated = c(.75, .5), ratio = c(1.25, 2, 3))
cases$share <- c(.62, .24); cases$pcr <- c(.507, .367); cases$pcr_others <- c(.75, .671); cases$effect <- .022
cases$power <- mapply(function(n, treated, ratio, share, pcr, pcr_others, effect) {
  p <- function(a) plogis(qlogis(c(pcr, pcr_others)) + c(a + log(ratio), a))
  a <- uniroot(function(a) sum(c(share, 1 - share) * (p(a) - c(pcr, pcr_others))) - effect, c(-10, 10), tol = 1e-13)$root
  cell <- c(p(a)[1], pcr, p(a)[2], pcr_others)
  size <- n * c(share * treated, share * (1 - treated), (1 - share) * treated, (1 - share) * (1 - treated))
  fit <- glm(cell ~ arm * group, weights = size, family = quasibinomial, epsilon = 1e-12, maxit = 100)
  shift <- coef(fit)[["arm:group"]] / sqrt(summary(fit, dispersion = 1)$cov.scaled["arm:group", "arm:group"])
  pnorm(shift - qnorm(.975)) + pnorm(-shift - qnorm(.975))
}, cases$n, cases$treated, cases$ratio, cases$share, cases$pcr, cases$pcr_others, cases$effect)
write.csv(cases, "design_interactions.csv", row.names = FALSE)
tables <- data.frame(events = c("40 9 60 21", "300 80 410 150", "5 1 12 4", "0 3 20 9"), n = c("60 20 80 25", "500 170 600 220", "9 4 15 5", "12 6 30 10"))
tables$p_value <- mapply(function(events, n) {
  events <- scan(text = events, quiet = TRUE); n <- scan(text = n, quiet = TRUE)
  fit <- function(f) glm(f, family = binomial, epsilon = 1e-12, maxit = 100)$deviance
  pchisq(fit(cbind(events, n - events) ~ arm + group) - sum(binomial()$dev.resids(events / n, events / n, n)), 1, lower.tail = FALSE)
}, tables$events, tables$n)
write.csv(tables, "design_interaction_tests.csv", row.names = FALSE)
write.csv(data.frame(software = c("R", "mvtnorm"), version = c(as.character(getRversion()), as.character(packageVersion("mvtnorm")))),
          "design_versions.csv", row.names = FALSE)
