//! The code that a patched vDSO jumps to: position-independent, behind a header of data.
//!
//! It uses only registers that a call may change (System V), and asks the kernel itself. Of
//! CLOCK_REALTIME, its coarse form and CLOCK_TAI the answer is bent, of others left alone.

/// Marks a slot of ours.
pub(super) const MAGIC: u64 = 0x7472_6962_756e_616c;

/// The functions that are patched, in the order of the header.
pub(super) const NAMES: [&str; 3] = ["__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time"];

/// Bytes before the code: magic, offset, drift, since when; and of each function its entry and the
/// eight bytes that were there.
pub(super) const HEADER: usize = 80;

/// Code, and where in it each function of [`NAMES`] begins; offsets count from the header.
pub(super) struct Blob {
    pub(super) bytes: &'static [u8],
    pub(super) starts: [usize; NAMES.len()],
}

// SAFETY: only data of this program: the section is read-only, and nothing here runs it.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "what another process will run is written in its own language")]
mod code {
    core::arch::global_asm!(
        r#"
    .pushsection .rodata.tribunal_bend, "a", @progbits
    .balign 64
    .hidden tribunal_bend
    .globl tribunal_bend
    .hidden tribunal_bend_clock_gettime
    .globl tribunal_bend_clock_gettime
    .hidden tribunal_bend_gettimeofday
    .globl tribunal_bend_gettimeofday
    .hidden tribunal_bend_time
    .globl tribunal_bend_time
    .hidden tribunal_bend_end
    .globl tribunal_bend_end

tribunal_bend:
    .skip 80

tribunal_bend_clock_gettime:
    mov eax, 228
    syscall
    test eax, eax
    jnz 3f
    test edi, edi
    jz 2f
    cmp edi, 5
    je 2f
    cmp edi, 11
    jne 3f
2:  mov rax, qword ptr [rsi]
    imul rax, rax, 1000000000
    add rax, qword ptr [rsi + 8]
    call 9f
    mov qword ptr [rsi], rax
    mov qword ptr [rsi + 8], rdx
    xor eax, eax
3:  ret

tribunal_bend_gettimeofday:
    mov eax, 96
    syscall
    test eax, eax
    jnz 4f
    test rdi, rdi
    jz 4f
    mov rax, qword ptr [rdi]
    imul rax, rax, 1000000000
    mov rcx, qword ptr [rdi + 8]
    imul rcx, rcx, 1000
    add rax, rcx
    call 9f
    mov qword ptr [rdi], rax
    mov rax, rdx
    xor edx, edx
    mov ecx, 1000
    div rcx
    mov qword ptr [rdi + 8], rax
    xor eax, eax
4:  ret

tribunal_bend_time:
    sub rsp, 24
    mov r10, rdi
    xor edi, edi
    mov rsi, rsp
    mov eax, 228
    syscall
    movsxd rax, eax
    test rax, rax
    jnz 5f
    mov rax, qword ptr [rsp]
    imul rax, rax, 1000000000
    add rax, qword ptr [rsp + 8]
    call 9f
    test r10, r10
    jz 5f
    mov qword ptr [r10], rax
5:  add rsp, 24
    ret

    // rax: nanoseconds since 1970. Back: rax seconds, rdx nanoseconds of them, never negative.
9:  lea r8, [rip + tribunal_bend]
    mov r9, rax
    sub rax, qword ptr [r8 + 24]
    imul qword ptr [r8 + 16]
    mov ecx, 1000000000
    idiv rcx
    add rax, r9
    add rax, qword ptr [r8 + 8]
    cqo
    idiv rcx
    test rdx, rdx
    jns 8f
    add rdx, rcx
    dec rax
8:  ret

tribunal_bend_end:
    .popsection
    "#
    );
}

/// For this processor; `None` where there is none.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the code is known by its labels")]
pub(super) fn blob() -> Option<Blob> {
    unsafe extern "C" {
        static tribunal_bend: u8;
        static tribunal_bend_clock_gettime: u8;
        static tribunal_bend_gettimeofday: u8;
        static tribunal_bend_time: u8;
        static tribunal_bend_end: u8;
    }
    // SAFETY: the labels are in one section, in this order, and only their addresses are taken; the
    // bytes between the first and the last are initialised, read-only and there for ever.
    let (begin, starts, bytes) = unsafe {
        let begin = &raw const tribunal_bend;
        let starts = [
            &raw const tribunal_bend_clock_gettime,
            &raw const tribunal_bend_gettimeofday,
            &raw const tribunal_bend_time,
        ];
        let length = (&raw const tribunal_bend_end).addr() - begin.addr();
        (begin, starts, std::slice::from_raw_parts(begin, length))
    };
    Some(Blob { bytes, starts: starts.map(|start| start.addr() - begin.addr()) })
}

/// For this processor; `None` where there is none.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn blob() -> Option<Blob> {
    None
}
