#!/bin/bash
# The commands of docs/operations.md for install, upgrade, backup, restore and the way back, as the users that they name,
# in name spaces of their own: /etc, /opt and the processes are copies that end with this shell. Called by
# tests/operations/test_install.py with a folder that has the blocks of the page, the code and what is written here.
set -euo pipefail
work=$1 python=$2 libraries=$3 prefix=$4

mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir /opt/etc /opt/prefix
cp -a /etc/. /opt/etc
mount --bind /opt/etc /etc
# The Python of the tests may be where the service's user cannot look.
mount --bind "$prefix" /opt/prefix
mount -t tmpfs -o mode=755 tmpfs /root
mkdir -p "$prefix"
mount --move /opt/prefix "$prefix"
cp -r --preserve=timestamps "$work/code" /opt/bookjob
chmod -R go-w,a+rX /opt/bookjob
cp -a "$libraries" /opt/libraries  # another run of pytest may close its folder to the service's user
chmod 755 /opt/libraries

# What there is not in here: systemd, nginx, a package index, releases.
systemctl() { :; }
nginx() { :; }
git() { :; }
# No pip either, which takes longer than all the rest of a new environment.
python3() { if [ "$2" = venv ]; then set -- "$@" --without-pip; fi; "$python" "$@"; }
mkdir -p /etc/systemd/system /etc/nginx/conf.d

step() {
    echo "--- $1"
    # The libraries are those that the tests have too.
    # shellcheck disable=SC1090
    source <(sed "s#^\.venv/bin/pip install.*#echo /opt/libraries > \"\$(.venv/bin/python -c 'import site; print(site.getsitepackages()[0])')/tests.pth\"#" "$work/$1")
}

serves() {  # the unit's own command as its user: a booking's readiness, then the stop
    local command
    command=$(sed -n 's/^ExecStart=//p' deploy/bookjob.service)
    runuser -u bookjob -- env "$@" $command > "$work/served.log" 2>&1 &
    local shell=$!
    .venv/bin/python "$work/ready.py" || { cat "$work/served.log"; exit 1; }
    kill "$(cat "$work/pid")"
    wait $shell || true
}

step install_first
while IFS= read -r line; do
    sed -i "s#^${line%%=*}=.*#$line#" .env
done < "$work/settings"
step install
serves A=1
step upgrade
step migrate
step index
serves A=1
step backup
# The control: a copy that root makes, as the page said once, cannot be written to by the service.
set +e
(set -e; echo "--- restore by root"; cp var/bookjob.backup var/restored.sqlite3; step pass)
echo "--- ended with $?"
set -e
rm -f var/restored.sqlite3
step restore
step check
step pass
step epoch
serves DATABASE_URL="$RESTORED_URL"
step back
serves A=1
echo "--- owners"
find /opt/bookjob -path /opt/bookjob/var -prune -o \( -user bookjob -o -perm /o=w ! -type l \) -print
find /opt/bookjob/var ! -user bookjob -print
runuser -u bookjob -- test ! -w /opt/bookjob
runuser -u nobody -- test ! -r /opt/bookjob/.env
runuser -u nobody -- test ! -x /opt/bookjob/var
echo "--- end"
