// SPDX-License-Identifier: GPL-2.0-only
#include "net/nat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <nftables/libnftables.h>

#include "util/buffer.h"
#include "util/error.h"
#include "util/memory.h"

struct nat {
	struct nft_ctx *context; /* owns the netlink socket, and that owns the table */
};

static void add_rule(struct buffer *text, const struct nat_rule *rule)
{
	char subnet[ADDRESS_TEXT_SIZE + 4];

	buffer_printf(text, "\t\t");
	if (rule->out_device)
		buffer_printf(text, "oifname \"%s\" ", rule->out_device);
	if (rule->source.family) {
		subnet_text(&rule->source, subnet);
		buffer_printf(text, "%s saddr %s ", rule->source.family == AF_INET ? "ip" : "ip6", subnet);
	}
	buffer_printf(text, "masquerade\n");
}

static void write_ruleset(struct buffer *text, const char *table, const struct nat_rule *rules, size_t count)
{
	/* In one block: a second one without the flag would be a change of flags, which the kernel refuses. */
	buffer_printf(text, "table inet %s {\n\tflags owner\n\tchain outgoing {\n", table);
	buffer_printf(text, "\t\ttype nat hook postrouting priority srcnat; policy accept;\n");
	for (size_t i = 0; i < count; i++)
		add_rule(text, &rules[i]);
	buffer_printf(text, "\t}\n}\n");
}

/* The first line of what libnftables says: "Error: Could not process rule: Operation not supported". */
static int refused(struct nft_ctx *context, const char *table, struct error *err)
{
	const char *said = nft_ctx_get_error_buffer(context);
	int length = said ? (int)strcspn(said, "\n") : 0;

	return error_set(err, EOPNOTSUPP, "make the nft table %s: %.*s (needs a kernel with nftables and NAT)", table,
			 length, said ? said : "");
}

int nat_open(struct nat **result, const char *table, const struct nat_rule *rules, size_t count, struct error *err)
{
	struct nat *nat = memory_new(sizeof(*nat));
	struct buffer text = { 0 };

	*result = NULL;
	err->code = 0;
	nat->context = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!nat->context || nft_ctx_buffer_error(nat->context) || nft_ctx_buffer_output(nat->context))
		error_set(err, ENOMEM, "open libnftables");
	write_ruleset(&text, table, rules, count);
	if (!err->code && nft_run_cmd_from_buffer(nat->context, buffer_string(&text)))
		refused(nat->context, table, err);
	buffer_free(&text);
	if (err->code)
		nat_close(nat);
	else
		*result = nat;
	return -err->code;
}

void nat_close(struct nat *nat)
{
	if (!nat)
		return;
	if (nat->context)
		nft_ctx_free(nat->context);
	free(nat);
}
