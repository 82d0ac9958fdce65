"""The room a replay runs in: code, data, variables and environment, as the run had them."""
