#!/bin/sh
# What scripts find as sudo if the image has none. They are root: a command is run as it is, or as the user that -u names.
user=root home=''
while [ $# -gt 0 ]; do
	case $1 in
	-u | --user) user=$2; shift ;;
	--user=*) user=${1#--user=} ;;
	-g | --group | -p | --prompt | -C | --close-from) shift ;;
	-H | --set-home) home=yes ;;
	-i | --login) home=yes; [ $# -gt 1 ] || set -- "$1" "${SHELL:-/bin/sh}" ;;
	-s | --shell) [ $# -gt 1 ] || set -- "$1" "${SHELL:-/bin/sh}" ;;
	-k | -K | -v | -l) exit 0 ;;
	--) shift; break ;;
	-[A-Za-z][A-Za-z]*) # several in one, such as -nE or -Su
		rest=${1#??}
		first=${1%"$rest"}
		shift
		set -- "$first" "-$rest" "$@"
		continue
		;;
	-*) ;; # -E: the environment stays anyway; -S, -n and others: nothing asks for a password
	*=*) export "$1" ;;
	*) break ;;
	esac
	shift
done
[ $# -gt 0 ] || exit 0
case $user in
root | '#0')
	[ -z "$home" ] || export HOME=/root
	exec "$@"
	;;
esac
exec runuser -u "$user" -- "$@"
