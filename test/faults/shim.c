/*
 * Faults of a disk, for one process: loaded before libc, it makes chosen write and fdatasync calls on files below one
 * directory fail, do half of their work, do it and say otherwise, or take long. What it does is read from a shared page, so that the
 * test arms and disarms it while the process runs.
 *
 *   FAULT_PAGE  file of 16 bytes: mode, countdown, fired, delay in ms (32-bit, little-endian)
 *   FAULT_DIR   only files below it
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { NONE, WRITE_FAILS, WRITE_HALF, SYNC_FAILS, SYNC_LIES, SYNC_SLOW };

struct page { volatile int32_t mode, countdown, fired, delay_ms; };

static struct page *page;
static const char *directory;
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);

__attribute__((constructor)) static void begin(void) {
  real_write = dlsym(RTLD_NEXT, "write");
  real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  directory = getenv("FAULT_DIR");
  const char *name = getenv("FAULT_PAGE");
  int fd = name ? open(name, O_RDWR) : -1;
  if (fd < 0) return;
  void *mapped = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED) page = mapped;
}

/* Whether this call on this file is the one that is to fail. */
static int hit(int fd, int mode_a, int mode_b) {
  if (!page || !directory) return 0;
  int mode = page->mode;
  if (mode == NONE || (mode != mode_a && mode != mode_b)) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  if (strncmp(path, directory, strlen(directory)) != 0) return 0;
  if (__sync_fetch_and_sub(&page->countdown, 1) > 0) return 0;
  __sync_fetch_and_add(&page->fired, 1);
  return mode;
}

ssize_t write(int fd, const void *bytes, size_t count) {
  int mode = hit(fd, WRITE_FAILS, WRITE_HALF);
  if (mode == WRITE_HALF && count > 1) (void)!real_write(fd, bytes, count / 2);
  if (mode) { errno = EIO; return -1; }
  return real_write(fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) {
  int mode = hit(fd, WRITE_FAILS, WRITE_HALF);
  if (mode == WRITE_HALF && count > 1) (void)!real_pwrite(fd, bytes, count / 2, offset);
  if (mode) { errno = EIO; return -1; }
  return real_pwrite(fd, bytes, count, offset);
}

static int synced(int fd, int (*real)(int)) {
  if (page && page->mode == SYNC_SLOW && hit(fd, SYNC_SLOW, SYNC_SLOW)) usleep((useconds_t)page->delay_ms * 1000);
  int mode = hit(fd, SYNC_FAILS, SYNC_LIES);
  if (mode == SYNC_LIES) (void)!real(fd);
  if (mode) { errno = EIO; return -1; }
  return real(fd);
}

int fdatasync(int fd) { return synced(fd, real_fdatasync); }
int fsync(int fd) { return synced(fd, real_fsync); }
