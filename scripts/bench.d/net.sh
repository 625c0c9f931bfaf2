#!/bin/sh
# What a container's veth on the bridge nsinit-bench takes with ip(8): net.sh COMMAND… runs the
# command, a container that joins the namespace nsinit-bench, in between.
set -e

ip netns add nsinit-bench
ip link add bench0 type veth peer name eth0 netns nsinit-bench
ip link set bench0 master nsinit-bench up
ip -n nsinit-bench addr add 198.18.0.3/24 dev eth0
ip -n nsinit-bench link set eth0 up
ip -n nsinit-bench route add default via 198.18.0.1
"$@"
ip netns del nsinit-bench
while [ -e /sys/class/net/bench0 ]; do sleep 0.001; done
