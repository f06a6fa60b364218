"""The commands of `comodo`, one module each with a `main(arguments) -> exit status`."""
