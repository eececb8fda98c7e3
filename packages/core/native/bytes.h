#ifndef SCOUT_BYTES_H
#define SCOUT_BYTES_H

#include <stdint.h>

/* Numbers in network byte order. */

static inline void write16(uint8_t *bytes, uint32_t value)
{
  bytes[0] = (uint8_t)(value >> 8);
  bytes[1] = (uint8_t)value;
}

static inline void write32(uint8_t *bytes, uint32_t value)
{
  write16(bytes, value >> 16);
  write16(bytes + 2, value & 0xffff);
}

static inline void write64(uint8_t *bytes, uint64_t value)
{
  write32(bytes, (uint32_t)(value >> 32));
  write32(bytes + 4, (uint32_t)value);
}

static inline uint32_t read16(const uint8_t *bytes)
{
  return (uint32_t)bytes[0] << 8 | bytes[1];
}

static inline uint32_t read32(const uint8_t *bytes)
{
  return read16(bytes) << 16 | read16(bytes + 2);
}

static inline uint64_t read64(const uint8_t *bytes)
{
  return (uint64_t)read32(bytes) << 32 | read32(bytes + 4);
}

#endif
