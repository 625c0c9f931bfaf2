# A program that makes one system call, exit_group(0): what any other time goes into is the init's.
        .globl _start
_start:
#if defined(__x86_64__)
        mov     $231, %eax
        xor     %edi, %edi
        syscall
#elif defined(__aarch64__)
        mov     x8, #94
        mov     x0, #0
        svc     #0
#else
#error "write exit_group(0) for this architecture"
#endif
