#!/usr/bin/env bash
# Records the session of docs/terminal.md on a terminal of tmux: real programs, a server and a worker
# of their own, a shop's CSV. Usage: record.sh PAGE, in the project's folder. It replaces the page's
# blocks between "<!-- recorded: NAME -->" and "<!-- end -->" by what the terminal showed.
set -euo pipefail

page=$(realpath "$1") root=$PWD work=$PWD/bin/recording
rm -rf "$work" && mkdir -p "$work/screens" "$work/shop/mine"
ln -s "$root/bin" "$work/shop/bin"
cp temporal-dev.yaml "$work/shop/"
awk -f tools/recording/reviews.awk > "$work/shop/mine/reviews.csv"
cd "$work/shop"
export TEMPORAL_ADDRESS=127.0.0.1:7399 TERM=xterm-256color
bin/starter dev --set port=7399 --set ui_port=8399 > "$work/server.log" 2>&1 &
bin/worker --threads 1 --heartbeat-throttle 2s --bucket "file://$PWD/.rdrec/bucket" > "$work/worker.log" 2>&1 &
tmux="tmux -L rdrec-recording"
trap '$tmux kill-server 2> /dev/null; kill $(jobs -p); wait' EXIT
$tmux -f /dev/null new-session -d -x 140 -y 60 "env PS1='\$ ' bash --norc --noprofile"

# say types a command; screen keeps what the terminal shows under a name, without lines that match
# the pattern; finish waits for the prompt first.
say() {
    $tmux send-keys C-l
    sleep 0.5
    $tmux clear-history
    $tmux send-keys "$1" Enter
}
screen() { $tmux capture-pane -p -J -S - | sed "s/ *$//; s|$PWD|/srv/shop|g" | grep -vE "${2:-^$}" > "$work/screens/$1"; }
finish() {
    sleep 1
    until prompted; do sleep 0.2; done
    screen "$1" "^$|^\\$ *\$"
}
prompted() { $tmux capture-pane -p | grep -v '^$' | tail -n 1 | grep -qx '\$ *'; }
# part waits until the terminal shows the pattern and keeps the screen.
part() {
    sleep 1
    until $tmux capture-pane -p | grep -qE "$2"; do
        if prompted; then echo "error: record $1: the command ended before the terminal showed $2" >&2; exit 1; fi
        sleep 0.1
    done
    screen "$1"
}

say "bin/starter init --from mine/reviews.csv --out mine/shop.yaml --set student.size=t5-tiny --set teacher.model=copy \
--set train.epochs=2 --set train.epoch_steps=150 --set train.batch=4"; finish init
say 'bin/starter plan mine/shop.yaml'; finish plan-before
say 'bin/starter plan mine/shop.yaml --sample'; finish plan-sample
say 'bin/starter run mine/shop.yaml'; part run '^pretrain .* ([4-9][0-9]|1[0-9][0-9])/300 steps'
$tmux send-keys C-c
finish interrupted
id=$(grep -oE 'starter watch [^" ]+' "$work/screens/interrupted" | cut -d' ' -f3)
say "bin/starter pause $id"; finish pause
until bin/starter status "$id" 2> /dev/null | grep -q '^pretrain.*a person paused'; do sleep 0.2; done
say "bin/starter status $id"; finish status
say "bin/starter resume $id"; finish resume
say "bin/starter watch $id > mine/report.txt"; part watch '^pretrain .* (1[5-9]|2[0-9])[0-9]/300 steps'; finish watched
say 'bin/starter plan mine/shop.yaml'; finish plan-after
say 'bin/starter plan mine/shop.yaml --set train.epochs=3'; finish plan-setting
say 'bin/starter run mine/shop.yaml --set train.epochs=3 > mine/report.txt'; finish run-setting
id2=$(grep -oE '^experiment [^ ]+' "$work/screens/run-setting" | cut -d' ' -f2)
say "bin/starter explain $id2"; finish explain
say "bin/starter compare $id $id2"; finish compare
cp mine/reviews.csv mine/before.csv
say "echo 'c079,s01,1719999999,5,The comb is light and I like it.' >> mine/reviews.csv"; finish append
say 'bin/starter plan mine/shop.yaml'; finish plan-row
cp mine/before.csv mine/reviews.csv
say 'bin/starter run mine/shop.yaml --set seed=2 > mine/report.txt'; finish run2
say 'bin/starter plan mine/shop.yaml --set seed=3'; finish plan-seed
say 'bin/starter run mine/shop.yaml --set seed=3 > mine/report.txt'; finish run3
say 'bin/starter list'; finish list
say "bin/starter logs $id2 pretrain"; finish logs

awk -v screens="$work/screens/" -f "$root/tools/recording/insert.awk" "$page" > "$work/page.md"
cp "$work/page.md" "$page"
