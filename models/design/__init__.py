"""What a trial would find: operating characteristics of the comparison of two arms."""
