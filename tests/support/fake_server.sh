#!/bin/sh
# rest-server's part in the program tests. It writes what it was given into FAKE_DIR, says "ready" on
# stdout, and does what FAKE_DO says:
#   exit N  end with this code
#   die N   end by this signal
#   serve   the default: say "got N" for each signal; SIGINT and SIGTERM end it with FAKE_CODE
# With FAKE_STUBBORN set, nothing but SIGKILL ends it. Everything that can be is a builtin of the shell:
# a process of its own would be left behind by a SIGKILL.

if [ $# -eq 0 ]; then : >"$FAKE_DIR/args"; else printf '%s\0' "$@" >"$FAKE_DIR/args"; fi
/bin/cat "/proc/$$/environ" >"$FAKE_DIR/environ"
/usr/bin/find "/proc/$$/fd" -type l -fprintf "$FAKE_DIR/fds" '%f %l\n'
while read -r line; do echo "$line"; done </proc/self/status >"$FAKE_DIR/status"

# shellcheck disable=SC2086 # "exit 3" is a command with its argument.
case $FAKE_DO in
exit*) $FAKE_DO ;;
die*) ulimit -c 0 && kill -"${FAKE_DO#die }" $$ ;;
esac

got() {
	echo "got $1"
	case $1 in 2 | 15) [ -n "$FAKE_STUBBORN" ] || exit "${FAKE_CODE:-0}" ;; esac
}
for number in 1 2 3 10 12 14 15 16 24 25 26 27 29 30; do
	# shellcheck disable=SC2064 # The number of now is meant.
	trap "got $number" $number
done
# A plain read can miss a signal that comes just before it blocks; wait cannot. What is waited for ends
# with this shell, also by SIGKILL: the pipe that it reads then has no writer left.
[ -p "$FAKE_DIR/wait" ] || /usr/bin/mkfifo "$FAKE_DIR/wait"
exec 9<>"$FAKE_DIR/wait" 8<"$FAKE_DIR/wait"
hold() {
	exec 9>&- >/dev/null 2>&1
	read -r _ <&8
}
hold &
echo ready
while :; do
	wait $!
	if ! kill -0 $! 2>/dev/null; then hold & fi
done
