//! One question to a gateway, answered in JSON.

use reqwest::{RequestBuilder, Url, header::CONTENT_TYPE};
use serde_json::Value;

use super::{Gateway, TransferError, refusal};

impl Gateway {
    /// What `GET` of `path` answers, asked with these parameters.
    ///
    /// # Errors
    /// [`TransferError::Unreachable`], [`TransferError::Refused`].
    pub async fn fetch(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Value, TransferError> {
        let url = format!("{}{path}", self.url);
        let url = match query {
            [] => Url::parse(&url),
            query => Url::parse_with_params(&url, query),
        };
        let url = url.map_err(|error| self.no_place(&error.to_string()))?;
        self.answer(self.client.get(url)).await
    }

    /// What `POST` of this JSON to `path` answers.
    ///
    /// # Errors
    /// [`TransferError::Unreachable`], [`TransferError::Refused`].
    pub async fn submit(&self, path: &str, body: &Value) -> Result<Value, TransferError> {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.header(CONTENT_TYPE, "application/json");
        self.answer(request.body(body.to_string())).await
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Value, TransferError> {
        let response = self.send(request).await?;
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        let body = response.bytes().await;
        let body = body.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&body).map_err(|_| self.no_place("what answers there is no gateway"))
    }

    fn no_place(&self, cause: &str) -> TransferError {
        TransferError::Unreachable {
            url: self.url.clone(),
            cause: cause.to_owned(),
        }
    }
}
