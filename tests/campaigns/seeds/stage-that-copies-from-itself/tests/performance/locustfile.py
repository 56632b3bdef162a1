from locust import HttpUser, task


class Visitor(HttpUser):
    @task
    def look(self) -> None:
        self.client.get("/healthz/")
