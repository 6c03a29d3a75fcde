//! The gateway's own HTTP/1.1 client as one transport among others.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::Url;

use super::connection::ConnectionPool;
use super::reqwest_transport::ReqwestTransport;
use super::transport::{Fetching, RequestHeaders, ResponseBody, Sending, Transport};

/// Sends over connections of our own; what is no request of a client's goes another way.
pub(super) struct Http1Transport {
    /// The connections.
    pub(super) lines: Arc<ConnectionPool>,
    /// The other way.
    pub(super) checks: ReqwestTransport,
}

impl Transport for Http1Transport {
    fn post<'a>(&'a self, url: &'a Url, own: &'a RequestHeaders<'a>, body: Bytes) -> Sending<'a> {
        Box::pin(async move {
            let response = self.lines.post(url, own, body).await?;
            Ok(response.map(|flow| Box::pin(flow) as ResponseBody))
        })
    }

    fn check<'a>(&'a self, url: &'a Url) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        self.checks.check(url)
    }

    fn fetch<'a>(&'a self, url: &'a Url, body: Option<Bytes>) -> Fetching<'a> {
        self.checks.fetch(url, body)
    }
}
