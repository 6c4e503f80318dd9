//! One request on its way: sent to where the server is, sent once more after a redirect, and its answer taken in.

use reqwest::Url;
use reqwest::header::{HeaderMap, LOCATION};
use zeroize::Zeroizing;

use super::raw::append_wiping;
use super::{Client, RawAnswer};
use crate::error::{Failure, NoAnswer, Unusable};
use crate::request::Request;
use crate::settings::Redirects;
use crate::streaming::{self, BodyStream};

impl Client {
    pub(super) async fn exchange(
        &self,
        request: &Request,
        url: &str,
    ) -> Result<RawAnswer, Failure> {
        let response = self.head(request, url, None).await?;
        self.receive(response).await
    }

    /// Sends a request and takes the head of its answer.
    pub(super) async fn head(
        &self,
        request: &Request,
        url: &str,
        mut body: Option<BodyStream>,
    ) -> Result<reqwest::Response, Failure> {
        let mut target = Url::parse(url).map_err(|_| Failure::NoAnswer {
            why: NoAnswer::Other("the path gives no valid address".to_owned()),
            source: None,
        })?;
        let headers = self.headers_of(request)?;
        let mut followed = false;
        let streamed = body.is_some();
        if let Some(service) = &self.inner.service {
            service.lead(&mut target).await;
        }
        loop {
            let response = self
                .send_once(request, &target, &headers, body.take())
                .await?;
            let status = response.status();
            if !matches!(status.as_u16(), 301 | 302 | 307) {
                return Ok(response);
            }
            let refuse = |why| Failure::Unusable {
                status: status.as_u16(),
                reason: Unusable::Redirect(why),
            };
            if self.inner.settings.redirects == Redirects::None {
                return Err(refuse("following redirects is switched off"));
            }
            if streamed {
                return Err(refuse("the request's body is too long to be kept for it"));
            }
            if followed {
                return Err(refuse("it is the second in a row"));
            }
            let next = response
                .headers()
                .get(LOCATION)
                .and_then(|value| value.to_str().ok())
                .and_then(|text| target.join(text).ok())
                .ok_or_else(|| refuse("it has no usable address"))?;
            if !matches!(next.scheme(), "http" | "https") {
                return Err(refuse("its address is neither http nor https"));
            }
            if target.scheme() == "https" && next.scheme() != "https" {
                return Err(refuse("it leads from https to http"));
            }
            target = next;
            followed = true;
        }
    }

    async fn send_once(
        &self,
        request: &Request,
        target: &Url,
        headers: &HeaderMap,
        stream: Option<BodyStream>,
    ) -> Result<reqwest::Response, Failure> {
        let mut builder = self
            .ready()
            .request(request.method.clone(), target.clone())
            .headers(headers.clone());
        if let Some(stream) = stream {
            builder = builder.body(reqwest::Body::wrap(stream));
        } else if let Some(body) = &request.body {
            builder = builder.body(body.0.to_vec());
        }
        builder.send().await.map_err(|error| self.no_answer(error))
    }

    pub(super) async fn receive(
        &self,
        mut response: reqwest::Response,
    ) -> Result<RawAnswer, Failure> {
        let limit = self.inner.settings.answer_limit;
        let status = response.status().as_u16();
        let too_large = || Failure::Unusable {
            status,
            reason: Unusable::TooLarge(limit),
        };
        let announced =
            usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(too_large());
        }
        let headers = streaming::texts(response.headers());
        let url = response.url().to_string();
        let mut body = Zeroizing::new(Vec::with_capacity(announced));
        while let Some(chunk) = response.chunk().await.map_err(|e| self.no_answer(e))? {
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            append_wiping(&mut body, &chunk);
        }
        Ok(RawAnswer {
            status,
            headers,
            body,
            url,
        })
    }
}
