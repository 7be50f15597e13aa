# Boundaries by alpha spending from multivariate normal probabilities, and power of two proportions.
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
write.csv(data.frame(software = c("R", "mvtnorm"), version = c(as.character(getRversion()), as.character(packageVersion("mvtnorm")))),
          "design_versions.csv", row.names = FALSE)
