"""How each measure is computed: definitions, batched kernels, DeLong, loess, and what all of them share."""
