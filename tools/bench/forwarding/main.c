// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does a switch take for a frame?
 *
 *     forward port|node BYTES MS FROM TO [FROM TO]
 *
 * For about MS milliseconds frames of BYTES come from FROM, a port of the switch or the device of a node (source.c), as
 * fast as one processor takes them, for the device TO behind another port; each pair has a processor of its own. FROM and TO
 * are devices in the network namespaces of processes: PID/DEVICE. Prints words and numbers: how many frames arrived, how many
 * did not, frames a second (of all pairs), and the processor time of a frame in ns.
 *
 * That time is the sending thread's and that of the kernel's thread which takes over where there is much to receive: all that
 * forwarding takes, up to the receiver's device, and nothing of what the machine does beside.
 */
#include "forward.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <glob.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/link.h"
#include "net/netlink.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/units.h"

#define MAX_PAIRS   8
#define WARM_FRAMES 256U
#define QUIET_US    5000U
#define WAIT_NS	    NS_PER_S

struct pair {
	unsigned int cpu;
	struct place from, to;
	struct frame frame;
	uint64_t sent, arrived, wall_ns, cpu_ns;
	pthread_t thread;
};

static const char *source_name;
static uint64_t duration_ns;
static pthread_barrier_t start_line;

void give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("forward: ", stderr);
	vfprintf(stderr, format, args);
	fputs("\n", stderr);
	va_end(args);
	exit(1);
}

static uint64_t number(const char *name, const char *text, int64_t low, int64_t high)
{
	int64_t value;

	if (!units_integer(text, low, high, &value))
		give_up("%s is %s; %lld to %lld is accepted", name, text, (long long)low, (long long)high);
	return (uint64_t)value;
}

static void enter(int net_fd)
{
	if (setns(net_fd, CLONE_NEWNET))
		give_up("enter a network namespace: %m");
}

static void find_place(struct place *place, const char *text)
{
	const char *device = strchr(text, '/');
	char path[64];
	struct error err;

	if (!device)
		give_up("%s is not PID/DEVICE", text);
	snprintf(path, sizeof(path), "/proc/%.*s/ns/net", (int)(device - text), text);
	place->net_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (place->net_fd < 0)
		give_up("%s: %m", path);
	enter(place->net_fd);
	if (netlink_open(&place->nl, &err) || link_index(place->nl, device + 1, &place->ifindex, &err))
		give_up("%s", err.text);
}

static uint16_t header_checksum(const struct iphdr *ip)
{
	const uint8_t *bytes = (const uint8_t *)ip;
	uint32_t sum = 0;

	for (size_t i = 0; i < sizeof(*ip); i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/*
 * IPv4 and UDP, for rules that look inside: 10.9.0.1 to 10.9.0.2, of the second pair 10.9.0.3 to 10.9.0.4. Both MAC addresses are
 * made up: the receiver's kernel sees that the frame is not its own and drops it, which is the cheapest that it can do.
 */
static void make_frame(struct frame *frame, uint32_t size, unsigned int from, unsigned int to)
{
	struct ether_header ethernet = { .ether_type = htons(ETHERTYPE_IP) };
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP };
	struct udphdr udp = { .source = htons(9), .dest = htons(9) };
	uint8_t *at = frame->bytes;

	memcpy(ethernet.ether_dhost, (uint8_t[]){ 2, 0, 10, 9, 0, (uint8_t)to }, ETH_ALEN);
	memcpy(ethernet.ether_shost, (uint8_t[]){ 2, 0, 10, 9, 0, (uint8_t)from }, ETH_ALEN);
	ip.tot_len = htons((uint16_t)(size - sizeof(ethernet)));
	ip.saddr = htonl(0x0a090000 + from);
	ip.daddr = htonl(0x0a090000 + to);
	ip.check = header_checksum(&ip);
	udp.len = htons((uint16_t)(size - sizeof(ethernet) - sizeof(ip)));
	memcpy(at, &ethernet, sizeof(ethernet));
	memcpy(at + sizeof(ethernet), &ip, sizeof(ip));
	memcpy(at + sizeof(ethernet) + sizeof(ip), &udp, sizeof(udp));
	frame->size = size;
}

/* The bridge is to know where the receiver is, and not to flood. */
static void teach(const struct pair *pair)
{
	struct frame hello = { 0 };

	make_frame(&hello, SHORTEST, 2 * pair->cpu + 2, 2 * pair->cpu + 1);
	enter(pair->to.net_fd);
	source_send(source_open("node", &pair->to, &hello), 1);
}

static uint64_t received(const struct pair *pair)
{
	struct link_counters counters;
	struct error err;

	if (link_counters(pair->to.nl, pair->to.ifindex, &counters, &err))
		give_up("%s", err.text);
	return counters.rx_packets;
}

static uint64_t thread_ns(void)
{
	struct timespec spent;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
	return (uint64_t)spent.tv_sec * NS_PER_S + (uint64_t)spent.tv_nsec;
}

static bool is_softirq_thread(const char *folder, unsigned int cpu)
{
	char path[64], wanted[32], name[32];
	FILE *file;

	snprintf(path, sizeof(path), "%s/comm", folder);
	snprintf(wanted, sizeof(wanted), "ksoftirqd/%u\n", cpu);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	return strcmp(name, wanted) == 0;
}

/* The processor time of the kernel's thread ksoftirqd of that processor. */
static uint64_t softirq_ns(unsigned int cpu)
{
	unsigned long long spent = 0;
	char path[64];
	glob_t found;
	FILE *file;

	if (glob("/proc/[0-9]*", GLOB_NOSORT, NULL, &found))
		give_up("no processes in /proc");
	for (size_t i = 0; i < found.gl_pathc; i++) {
		if (!is_softirq_thread(found.gl_pathv[i], cpu))
			continue;
		snprintf(path, sizeof(path), "%s/schedstat", found.gl_pathv[i]);
		file = fopen(path, "re");
		if (!file || fscanf(file, "%llu", &spent) != 1)
			give_up("%s: %m", path);
		fclose(file);
	}
	globfree(&found);
	return spent;
}

static void pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		give_up("processor %u: %m", cpu);
}

/* What was sent before has arrived, or will not. Returns how many frames the receiver has had by then. */
static uint64_t settle(const struct pair *pair)
{
	uint64_t before, now = received(pair);

	do {
		before = now;
		usleep(QUIET_US);
		now = received(pair);
	} while (now != before);
	return now;
}

/* Turns, and does not sleep, for what the kernel does meanwhile is to be this thread's time. */
static void wait_until_arrived(struct pair *pair, uint64_t before)
{
	uint64_t deadline = clock_after(WAIT_NS);

	do
		pair->arrived = received(pair) - before;
	while (pair->arrived < pair->sent && clock_now() < deadline);
}

static void measure(struct pair *pair, struct source *source)
{
	uint64_t before = settle(pair), softirq = softirq_ns(pair->cpu), cpu, sent;

	pthread_barrier_wait(&start_line);
	cpu = thread_ns();
	pair->wall_ns = source_send(source, (uint32_t)pair->sent);
	sent = clock_now();
	wait_until_arrived(pair, before);
	pair->wall_ns += clock_now() - sent;
	pair->cpu_ns = thread_ns() - cpu + softirq_ns(pair->cpu) - softirq;
}

/* How many frames take as long as is asked for. */
static uint64_t find_count(struct source *source)
{
	uint32_t count = WARM_FRAMES;
	uint64_t spent = source_send(source, count);

	while (spent < duration_ns / 8) {
		count *= 2;
		spent = source_send(source, count);
	}
	return duration_ns * count / (spent + 1) + 1;
}

static void *run_pair(void *argument)
{
	struct pair *pair = argument;
	struct source *source;

	pin(pair->cpu);
	enter(pair->from.net_fd);
	source = source_open(source_name, &pair->from, &pair->frame);
	pair->sent = find_count(source);
	measure(pair, source);
	return NULL;
}

static void find_pair(struct pair *pair, unsigned int cpu, uint32_t size, char **texts)
{
	pair->cpu = cpu;
	find_place(&pair->from, texts[0]);
	find_place(&pair->to, texts[1]);
	make_frame(&pair->frame, size, 2 * cpu + 1, 2 * cpu + 2);
	teach(pair);
}

static void print(const struct pair *pairs, unsigned int count)
{
	uint64_t arrived = 0, cpu_ns = 0;
	int64_t lost = 0;
	double speed = 0;

	for (unsigned int i = 0; i < count; i++) {
		arrived += pairs[i].arrived;
		lost += (int64_t)(pairs[i].sent - pairs[i].arrived);
		cpu_ns += pairs[i].cpu_ns;
		speed += (double)pairs[i].arrived * NS_PER_S / (double)pairs[i].wall_ns;
	}
	printf("frames %llu lost %lld speed %.0f cpu %.2f\n", (unsigned long long)arrived, (long long)lost, speed,
	       (double)cpu_ns / (double)arrived);
}

int main(int argc, char **argv)
{
	static struct pair pairs[MAX_PAIRS];
	unsigned int count = argc > 4 ? (unsigned int)(argc - 4) / 2 : 0;
	uint32_t size;

	if (argc < 6 || argc % 2 || count > MAX_PAIRS)
		give_up("usage: forward port|node BYTES MS FROM TO [FROM TO]");
	source_name = argv[1];
	size = (uint32_t)number("BYTES", argv[2], SHORTEST, LONGEST);
	duration_ns = number("MS", argv[3], 1, 60000) * NS_PER_MS;
	for (unsigned int i = 0; i < count; i++)
		find_pair(&pairs[i], i, size, argv + 4 + (size_t)2 * i);
	pthread_barrier_init(&start_line, NULL, count);
	for (unsigned int i = 0; i < count; i++)
		if (pthread_create(&pairs[i].thread, NULL, run_pair, &pairs[i]))
			give_up("start a thread");
	for (unsigned int i = 0; i < count; i++)
		pthread_join(pairs[i].thread, NULL);
	print(pairs, count);
	return 0;
}
