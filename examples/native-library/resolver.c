// Names in DNS messages (RFC 1035, section 4.1.4), read as many a resolver has once read them: nobody checks that a label
// ends before the message does, that the name fits, or that pointers to earlier names come to an end.
#include <stdint.h>
#include <string.h>

struct message {
  const uint8_t *bytes;
  uint32_t length;
};

// The name at `offset`, with dots, as a C string; gives its length.
uint32_t read_name(const struct message *message, uint32_t offset, char *out) {
  char name[256];
  char *end = name;
  const uint8_t *at = message->bytes + offset;
  while (*at) {
    if ((*at & 0xc0) == 0xc0) {
      at = message->bytes + ((at[0] & 0x3f) << 8 | at[1]);
    } else {
      memcpy(end, at + 1, *at);
      end += *at;
      *end++ = '.';
      at += 1 + *at;
    }
  }
  uint32_t length = (uint32_t)(end - name);
  memcpy(out, name, length);
  out[length] = 0;
  return length;
}
