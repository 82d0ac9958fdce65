"""What is in memory is what was installed: functions, classes, hooks and threads of training processes.

`sentry` starts in every Python process of a run and waits for torch; `patrol` then goes through memory on a
thread of its own, in slices, and writes down what it sees (`notes`). Nothing is judged here: the supervisor
compiles the sources, looks into a clean process, and knows whose files are whose (`owners`). Each rule
stands in a file of its own.
"""
