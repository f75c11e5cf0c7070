/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/sha256.h"
#include "base/units.h"
#include "config/agent_config.h"

#define PORT_MAX        65535
#define TOKEN_FILE_MAX  4096
#define LOOPBACK_NUMBER 127 /* 127.0.0.0/8 */

static int parse_unix(const char *path, struct listen_address *ret)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (*path != '/' || len >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path, path, len);
	*ret = (struct listen_address){.length = sizeof(address), .local = true};
	memcpy(&ret->address, &address, sizeof(address));
	return 0;
}

static int parse_port(const char *text, in_port_t *ret)
{
	uint64_t port;

	if (units_parse_u64(text, &port) || port > PORT_MAX)
		return -EINVAL;
	*ret = htons((uint16_t)port);
	return 0;
}

static int parse_ip6(char *host, in_port_t port, struct listen_address *ret)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = port};
	size_t len = strlen(host);

	if (len < 3 || host[len - 1] != ']')
		return -EINVAL;
	host[len - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &address.sin6_addr) != 1)
		return -EINVAL;
	*ret = (struct listen_address){.length = sizeof(address)};
	ret->local = IN6_IS_ADDR_LOOPBACK(&address.sin6_addr);
	memcpy(&ret->address, &address, sizeof(address));
	return 0;
}

static int parse_ip4(const char *host, in_port_t port, struct listen_address *ret)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = port};

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		return -EINVAL;
	*ret = (struct listen_address){.length = sizeof(address)};
	ret->local = ntohl(address.sin_addr.s_addr) >> 24 == LOOPBACK_NUMBER;
	memcpy(&ret->address, &address, sizeof(address));
	return 0;
}

int listen_address_parse(const char *text, struct listen_address *ret)
{
	char host[INET6_ADDRSTRLEN + 2];
	const char *colon;
	in_port_t port;

	if (!strncmp(text, "unix:", 5))
		return parse_unix(text + 5, ret);
	colon = strrchr(text, ':');
	if (!colon || (size_t)(colon - text) >= sizeof(host) || parse_port(colon + 1, &port))
		return -EINVAL;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	return *host == '[' ? parse_ip6(host, port, ret) : parse_ip4(host, port, ret);
}

int token_file_read(const char *path, uint8_t ret_hash[TOKEN_HASH_BYTES])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return token_file_read_fd(fd < 0 ? -errno : fd, ret_hash);
}

int token_file_read_fd(int fd, uint8_t ret_hash[TOKEN_HASH_BYTES])
{
	_cleanup_close_ int owned = fd;
	_cleanup_free_ char *text = NULL;
	size_t size;
	int err = fd < 0 ? fd : file_read_fd(owned, TOKEN_FILE_MAX, &text, &size);

	if (err)
		return err == -EFBIG ? -EINVAL : err;
	text[strcspn(text, " \t\r\n")] = '\0'; /* sha256sum adds "  -" */
	return sha256_from_hex(text, ret_hash);
}
