/* switch_aarch64.S - save and restore callee-saved registers, nothing else.
 *
 * void rill__coro_switch(void **save_sp, void *load_sp)
 *   Saves x19-x30 and d8-d15 below the stack pointer, stores it, takes the other one and restores.
 *   It leaves by `ret`, which branch target identification lets go anywhere: to a return address as
 *   well as to rill__coro_entry. fpcr is not saved: a task may not change it.
 *
 * rill__coro_entry
 *   Where a new context begins: x19, x20 and x21 hold the arguments. The undefined return address
 *   and the zero frame pointer end every backtrace here. */
    .text
    .globl  rill__coro_switch
    .hidden rill__coro_switch
    .type   rill__coro_switch, %function
    .p2align 4
rill__coro_switch:
    .cfi_startproc
    hint    #34 /* bti c */
    sub     sp, sp, #160
    stp     x19, x20, [sp, #0]
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    stp     d8, d9, [sp, #96]
    stp     d10, d11, [sp, #112]
    stp     d12, d13, [sp, #128]
    stp     d14, d15, [sp, #144]
    mov     x9, sp
    str     x9, [x0]
    mov     sp, x1
    ldp     x19, x20, [sp, #0]
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     d8, d9, [sp, #96]
    ldp     d10, d11, [sp, #112]
    ldp     d12, d13, [sp, #128]
    ldp     d14, d15, [sp, #144]
    add     sp, sp, #160
    ret     x30
    .cfi_endproc
    .size   rill__coro_switch, . - rill__coro_switch

    .globl  rill__coro_entry
    .hidden rill__coro_entry
    .type   rill__coro_entry, %function
    .p2align 4
rill__coro_entry:
    .cfi_startproc
    .cfi_undefined x30
    hint    #36 /* bti j */
    mov     x29, xzr
    mov     x0, x19
    mov     x1, x20
    mov     x2, x21
    bl      rill__coro_main
    brk     #0
    .cfi_endproc
    .size   rill__coro_entry, . - rill__coro_entry

    .section .note.GNU-stack, "", %progbits
    .section .note.gnu.property, "a"
    .p2align 3
    .word   4, 16, 5
    .asciz  "GNU"
    .word   0xc0000000, 4, 1 /* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI */
    .word   0
