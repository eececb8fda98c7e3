#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "exports.h"

/*
 * Unmaps the pages of programs and libraries; the kernel maps what is used again from its page cache. Only mappings that hold the file's
 * own bytes: a page that was written to, or moved to memory (node --use-largepages), is counted as anonymous and exists nowhere else.
 */
static void give_back_pages_of_files(void)
{
  FILE *mappings = fopen("/proc/self/smaps", "re");
  char line[512];
  uintptr_t start = 0, end = 0;

  if (mappings == NULL)
    return;
  while (fgets(line, sizeof line, mappings) != NULL) {
    uintptr_t first, last;
    char access[5];
    unsigned long anonymous_kib;

    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &first, &last, access) == 3) {
      bool is_given = strchr(access, 'w') == NULL && strchr(line, '/') != NULL;
      start = is_given ? first : 0;
      end = is_given ? last : 0;
    } else if (end > start && sscanf(line, "Anonymous: %lu kB", &anonymous_kib) == 1 && anonymous_kib == 0) {
      /* Where the kernel refuses, the pages stay. */
      (void)madvise((void *)start, end - start, MADV_DONTNEED);
    }
  }
  fclose(mappings);
}

/*
 * giveBackMemory(): gives the kernel what this process holds and does not use: freed blocks of malloc's arenas (malloc_trim(3)), and
 * pages of programs and libraries that only the start needed.
 */
napi_value give_back_memory(napi_env env, napi_callback_info info)
{
  (void)env;
  (void)info;
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  give_back_pages_of_files();
  return NULL;
}
