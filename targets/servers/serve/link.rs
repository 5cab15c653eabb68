//! Links between servers: framed TCP, one connection per direction.
//!
//! A frame is `u32 length | u32 crc32c | JSON`; the receiver answers each with one byte. A sender
//! that misses these bytes makes a new connection: after a healed partition TCP's own timer may
//! stay silent for seconds. What was not sent then is dropped, never sent twice: a repeated
//! forward would be a second attempt.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::driver::{Mail, Shared};
use crate::engine::Packet;

/// Longest frame.
const FRAME_LIMIT: usize = 64 << 20;

/// Patience with a connection attempt.
const CONNECT: Duration = Duration::from_millis(300);

/// Patience with an answer to a frame, and with a write.
const SILENCE: Duration = Duration::from_millis(700);

/// Longest pause between frames; the sender of a quiet link makes a new one when it needs it.
const IDLE: Duration = Duration::from_secs(60);

/// Pause after a failure.
const PAUSE: Duration = Duration::from_millis(50);

/// Sends packets to one peer for ever.
pub(super) async fn send(id: usize, address: SocketAddr, mut packets: mpsc::Receiver<Packet>) {
    loop {
        if let Ok(Ok(stream)) = timeout(CONNECT, TcpStream::connect(address)).await
            && let Err(error) = pump(id, stream, &mut packets).await
        {
            tracing::debug!(%address, %error, "link to peer lost");
        }
        while packets.try_recv().is_ok() {}
        if packets.is_closed() {
            return;
        }
        sleep(PAUSE).await;
    }
}

async fn pump(
    id: usize,
    stream: TcpStream,
    packets: &mut mpsc::Receiver<Packet>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut read, mut write) = stream.into_split();
    write.write_u32_le(id as u32).await?;
    let mut acks = [0u8; 4096];
    let (mut open, mut since) = (0usize, Instant::now());
    loop {
        tokio::select! {
            packet = packets.recv() => {
                let Some(packet) = packet else { return Ok(()) };
                let mut bytes = Vec::new();
                frame(&mut bytes, &packet)?;
                let mut count = 1;
                while bytes.len() < 256 << 10 && let Ok(packet) = packets.try_recv() {
                    frame(&mut bytes, &packet)?;
                    count += 1;
                }
                if open == 0 {
                    since = Instant::now();
                }
                open += count;
                timeout(SILENCE, write.write_all(&bytes)).await??;
            }
            count = read.read(&mut acks) => {
                match count? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count => open = open.saturating_sub(count),
                }
                since = Instant::now();
            }
            () = sleep(SILENCE) => {}
        }
        if open > 0 && since.elapsed() > SILENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

fn frame(buffer: &mut Vec<u8>, packet: &Packet) -> io::Result<()> {
    let payload = serde_json::to_vec(packet)?;
    buffer.extend((payload.len() as u32).to_le_bytes());
    buffer.extend(crc32c::crc32c(&payload).to_le_bytes());
    buffer.extend(payload);
    Ok(())
}

/// Takes connections of peers for ever.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    if let Err(error) = receive(stream, &shared).await {
                        tracing::debug!(%address, %error, "link from peer lost");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a peer");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn receive(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::with_capacity(64 << 10, read);
    let from = read.read_u32_le().await? as usize;
    if from >= shared.names.len() || from == shared.id {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a peer"));
    }
    loop {
        let length = timeout(IDLE, read.read_u32_le()).await?? as usize;
        let crc = read.read_u32_le().await?;
        if length > FRAME_LIMIT {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "frame too long"));
        }
        let mut payload = vec![0; length];
        read.read_exact(&mut payload).await?;
        if crc32c::crc32c(&payload) != crc {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "bad checksum"));
        }
        let packet = serde_json::from_slice(&payload)?;
        if shared.inbox.try_send(Mail::Packet(from, packet)).is_err() {
            tracing::debug!(from, "inbox full, packet dropped");
        }
        write.write_u8(1).await?;
    }
}
