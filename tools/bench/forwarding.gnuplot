# SPDX-License-Identifier: GPL-2.0-only
# The plots of docs/benchmarks.md, from what forwarding.lua left in the folder `results`; called by tools/bench-forwarding.
set terminal svg size 900,520 dynamic font "sans,13" background "white"
set key outside right top
set grid ytics

# How much more a frame takes, the more rules there are about others.
set output "docs/forwarding-rules.svg"
set logscale xy
set format xy "%.0s%c"
set xlabel "rules about other pairs (none stands at 1)"
set ylabel "CPU ns a frame of 64 bytes"
rules = results . "/machine-rules.dat"
set datafile columnheaders
stats rules using 1:2 nooutput
plot for [i = 0:STATS_blocks - 1] rules index i using 1:2:3:4 with yerrorlines linewidth 2 pointtype 7 pointsize 0.5 \
	title columnheader(1)

unset datafile columnheaders
unset logscale
set format xy
set xlabel ""
set key off
set xtics rotate by -40
set style fill solid 0.6
set boxwidth 0.7
set rmargin 26
set yrange [0:*]

set output "docs/forwarding-machine.svg"
set ylabel "CPU ns a frame of 64 bytes"
plot results . "/machine-bars.dat" using 0:2:xticlabels(1) with boxes linecolor rgb "#4477aa", \
	"" using 0:2:3:4 with yerrorbars linecolor black pointtype 0

if (system("test -e " . results . "/kernel-bars.dat && echo 1") eq "1") {
	set output "docs/forwarding-kernel.svg"
	set ylabel "ns a frame of 64 bytes"
	plot results . "/kernel-bars.dat" using 0:2:xticlabels(1) with boxes linecolor rgb "#4477aa", \
		"" using 0:2:3:4 with yerrorbars linecolor black pointtype 0
}
