# Reads the output of "go build -v": a line for each compiled package, and the compiler's messages.
# It prints a line for every hundred packages, and the messages.
/^[^ :#]+$/ { if (++packages % 100 == 0) print "    " packages " packages built"; fflush(); next }
{ print > "/dev/stderr" }
